"""Mirrors slowfast/export: what is written, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from slowfast.export import onnx_file, write
from slowfast.export.call import Call, random_call
from slowfast.export.program_file import EXTRA
from slowfast.export.write import compare, export_network
from slowfast.models.input_spec import InputSpec


class Means(nn.Module):
    """Scores are the means of two channels; quick to export."""

    def __init__(self, pathways: int = 1) -> None:
        super().__init__()
        self.input_spec = InputSpec((2,) * pathways, (3,) * pathways, 8)
        self.dropout = nn.Dropout(0.5)

    def forward(self, pathways: list[torch.Tensor]) -> torch.Tensor:
        if pathways[0].shape[-1] > 16:
            raise ValueError("clips are too large")
        return self.dropout(sum(clip.mean((2, 3, 4)) for clip in pathways))


def test_an_onnx_file_names_inputs_and_keeps_metadata(tmp_path: Path) -> None:
    import onnxruntime

    net = Means(pathways=2)
    out = tmp_path / "new" / "net.onnx"
    parity = export_network(net, out, file_format="onnx", size=12, metadata={"classes": "[é]"})
    assert parity.worst < 1e-5
    assert net.training  # as it was
    session = onnxruntime.InferenceSession(out)
    shapes = {node.name: node.shape for node in [*session.get_inputs(), *session.get_outputs()]}
    clip = ["batch", 2, 3, 12, 12]
    assert shapes == {"slow": clip, "fast": clip, "scores": ["batch", 2]}
    assert session.get_modelmeta().custom_metadata_map == {"classes": "[é]"}
    assert [file.name for file in out.parent.iterdir()] == ["net.onnx"]


def test_weights_too_large_for_one_file_lie_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    class Wide(Means):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(2, 4096)

        def forward(self, pathways: list[torch.Tensor]) -> torch.Tensor:
            return self.dense(super().forward(pathways))

    monkeypatch.setattr(onnx_file, "ONE_FILE", 4096)
    net, out = Wide(), tmp_path / "net.onnx"
    export_network(net, out, file_format="onnx")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.onnx", "net.onnx.data"]
    assert out.stat().st_size < 4096 * 4 < (tmp_path / "net.onnx.data").stat().st_size
    clip = torch.rand(1, 2, 3, 8, 8)
    session = onnxruntime.InferenceSession(out)
    (scores,) = session.run(None, {session.get_inputs()[0].name: clip.numpy()})
    assert torch.allclose(torch.from_numpy(scores), net.eval()([clip]), atol=1e-5)


def test_a_program_file_is_called_as_the_network_is(tmp_path: Path) -> None:
    out = tmp_path / "net.pt2"
    export_network(Means(), out, file_format="torch_export", batch=2, metadata={"mean": "[0.45]"})
    extra = {EXTRA: ""}
    module = torch.export.load(out, extra_files=extra).module()
    assert json.loads(extra[EXTRA]) == {"mean": "[0.45]"}
    assert module([torch.ones(2, 2, 3, 8, 8)]).tolist() == [[1, 1], [1, 1]]
    with pytest.raises(AssertionError):  # the batch is fixed
        module([torch.ones(3, 2, 3, 8, 8)])


def test_a_file_that_gives_other_scores_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "net.pt2"
    out.write_text("an older file")
    right = write.open_program
    for error in (0.002, math.nan):
        monkeypatch.setattr(
            write, "open_program", lambda path, e=error: lambda call: right(path)(call) + e
        )
        with pytest.raises(ValueError, match=r"net.pt2: not written: its scores differ by .*0.001"):
            export_network(Means(), out, file_format="torch_export")
    assert [file.name for file in tmp_path.iterdir()] == ["net.pt2"]
    assert out.read_text() == "an older file"
    monkeypatch.undo()
    export_network(Means(), out, file_format="torch_export")
    assert out.read_bytes()[:2] == b"PK"


def test_what_cannot_be_exported_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "net.onnx"
    with pytest.raises(ValueError, match="'coreml'; use one of onnx, torch_export"):
        export_network(Means(), out, file_format="coreml")
    with pytest.raises(ValueError, match="clips are too large"):
        export_network(Means(), out, file_format="onnx", size=32)
    monkeypatch.setattr(onnx_file, "NEEDS", ("onnx", "no_such_package"))
    with pytest.raises(ValueError, match=r"no_such_package.* pip install 'slowfast-video\[export"):
        export_network(Means(), out, file_format="onnx")
    assert not out.exists()


def test_the_difference_is_also_a_share_of_the_largest_score() -> None:
    """Of 400 classes no score may be above 1e-3: an absolute difference alone would say little."""
    expected = [torch.tensor([[1e-3, 2e-3]]), torch.tensor([[0.5, 0.1]])]
    found = [expected[0] + torch.tensor([[0, 1e-4]]), expected[1] + torch.tensor([[2e-4, 0]])]
    parity = compare(found, expected)
    assert parity.difference == pytest.approx(2e-4, rel=1e-3)
    assert parity.relative == parity.worst == pytest.approx(0.05, rel=1e-3)
    assert math.isnan(compare([torch.tensor([math.nan, 1.0])], [torch.ones(2)]).difference)


def test_random_calls_have_boxes_inside_the_frame() -> None:
    call = random_call(InputSpec((3,), (4,), 64, boxes=True), 3, size=32)
    assert call.names == ["clip", "boxes"]
    assert call.pathways[0].shape == (3, 3, 4, 32, 32)
    boxes = call.tensors[1]
    assert boxes[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert ((boxes[:, 1:] >= 0) & (boxes[:, 1:] <= 32)).all()
    assert (boxes[:, 3:] > boxes[:, 1:3]).all()
    assert Call([torch.zeros(1), torch.zeros(1)]).names == ["slow", "fast"]


def test_a_file_that_is_not_kept_leaves_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "new" / "deep" / "net.pt2"
    with pytest.raises(ValueError, match="not written"):
        export_network(Means(), out, file_format="torch_export", tolerance=-1.0)
    assert list(tmp_path.iterdir()) == []
    export_network(Means(), out, file_format="torch_export")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert [path.name for path in out.parent.iterdir()] == ["net.pt2"]


def test_a_place_that_takes_no_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    out = tmp_path / "file" / "net.pt2"
    with pytest.raises(
        ValueError, match=r"file/net\.pt2: cannot be written \(Not a directory\); ch"
    ):
        export_network(Means(), out, file_format="torch_export")


@pytest.mark.parametrize("size", [0, -8])
def test_clips_of_no_size_are_an_error(size: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"size is {size}, but must be a whole number"):
        export_network(Means(), tmp_path / "a.pt2", file_format="torch_export", size=size)
