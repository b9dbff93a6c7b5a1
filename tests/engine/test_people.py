"""Mirrors slowfast/engine/people.py and moments.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import nn

from slowfast.cli.main import main
from slowfast.data.datasets.ava_boxes import read_keyframes
from slowfast.data.datasets.motions import encode
from slowfast.data.datasets.motions_objects import ObjectSettings, draw_object_clip
from slowfast.data.datasets.motions_scene import CLASSES
from slowfast.engine.moments import EveryStep, KeyframesOf
from slowfast.engine.people import Found, PersonDetector, write_people

SETTINGS = ObjectSettings(0, (1, 1), CLASSES, 2, 96, 72, fps=15, pictures=False)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty frames: two seconds of `b`, six of `a`."""
    folder = tmp_path_factory.mktemp("videos")
    frames = draw_object_clip(SETTINGS, "train", 0)
    encode(folder / "b.mp4", frames, fps=15)
    encode(folder / "a.mp4", frames, fps=5)
    (folder / "notes.txt").write_text("no video")
    return folder


class Seen:
    """A person in the left half, sure in the first frame that is shown, and a stray box."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, frames: Sequence[torch.Tensor]) -> list[Found]:
        self.batches.append(len(frames))
        assert all(frame.shape == (72, 96, 3) and frame.dtype == torch.uint8 for frame in frames)
        boxes = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.1, 0.1, 0.2, 0.2]])
        return [(boxes, torch.tensor([0.9, 0.01]))] * len(frames)


def test_there_is_a_keyframe_a_second(videos: Path, tmp_path: Path) -> None:
    """None at the very beginning, and none at the end."""
    seen = Seen()
    report = write_people(videos, tmp_path / "boxes.csv", seen, batch=4)
    assert (report.videos, report.keyframes, report.boxes, report.unread) == (2, 6, 6, ())
    assert seen.batches == [4, 1, 1]
    lines = (tmp_path / "boxes.csv").read_text().splitlines()
    assert [line[:6] for line in lines] == [*(f"a,000{s}" for s in range(1, 6)), "b,0001"]
    assert lines[0] == "a,0001,0.0000,0.0000,0.5000,1.0000,,0.900000"


def test_seconds_are_counted_as_the_lists_do(videos: Path, tmp_path: Path) -> None:
    write_people(
        videos, tmp_path / "boxes.csv", Seen(), moments=EveryStep(0.5), start_second=900.25
    )
    seconds = [line.split(",")[1] for line in (tmp_path / "boxes.csv").read_text().splitlines()]
    assert seconds[-4:] == ["900.5", "0901", "901.5", "0902"]


def test_the_moment_of_the_first_frame_is_no_keyframe() -> None:
    """Also where a step is no sum of powers of two, and the first frame is one of its multiples."""
    assert EveryStep(0.1)("a", 900, 900.35) == [900.1, 900.2, 900.3]
    assert EveryStep(0.1)("a", 0.3, 0.55) == [0.4, 0.5]
    assert EveryStep(1.0)("a", 0, 3) == [1, 2]
    assert EveryStep(2.0)("a", 0.5, 6) == [2, 4]


def test_names_of_all_kinds_have_their_boxes(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("#1", "a,b", 'say "hi"'):
        (tmp_path / "videos" / f"{name}.mp4").symlink_to(videos / "b.mp4")
    out = tmp_path / "boxes.csv"
    keyframes = tmp_path / "wanted.csv"
    keyframes.write_text('"a,b",0.123456789,0,0,1,1,1\n"#1",0001,0,0,1,1,1\n')
    write_people(tmp_path / "videos", out, Seen())
    assert read_keyframes(out) == {"#1": [1], "a,b": [1], 'say "hi"': [1]}
    write_people(tmp_path / "videos", out, Seen(), moments=KeyframesOf([keyframes]))
    assert read_keyframes(out) == read_keyframes(keyframes)


def test_what_was_broken_off_goes_on(videos: Path, tmp_path: Path) -> None:
    out, part = tmp_path / "boxes.csv", tmp_path / ".boxes.csv.part"
    write_people(videos, out, Seen())
    whole = out.read_text()
    first = [line for line in whole.splitlines(keepends=True) if line.startswith("a")]
    asked = "#asked EveryStep(step=1.0) 0 0.05\n"
    part.write_text(asked + "".join(first) + "#done 5 a\nb,0001,0.0")  # cut off within a line
    seen = Seen()
    assert write_people(videos, out, seen).keyframes == 6
    assert seen.batches == [1]
    assert out.read_text() == whole
    assert not part.exists()


def test_a_list_that_was_asked_for_something_else_begins_anew(
    videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = tmp_path / ".boxes.csv.part"
    part.write_text("#asked EveryStep(step=1.0) 0 0.05 other.pth\n#done 5 a\n")
    seen = Seen()
    assert write_people(videos, tmp_path / "boxes.csv", seen).videos == 2
    assert sum(seen.batches) == 6
    assert "was asked for something else; the list begins anew" in caplog.text


def test_videos_of_another_folder_are_not_taken_for_those_that_were_looked_at(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though they have the same names."""
    seen, part = Seen(), tmp_path / ".boxes.csv.part"
    monkeypatch.setattr(PersonDetector, "load", lambda weights, device: seen)
    words = ["--videos", str(videos), "--out", str(tmp_path / "boxes.csv")]
    asked = f"#asked EveryStep(step=1.0) 0 0.05 None {videos}"
    for folder, looked_at in (("/other", 6), ("", 1)):
        seen.batches.clear()
        part.write_text(f"{asked}{folder}\n#done 5 a\n")
        assert main(["detect-people", *words, "--device", "cpu"]) == 0
        assert sum(seen.batches) == looked_at


def test_the_keyframes_of_a_list_are_looked_at(videos: Path, tmp_path: Path) -> None:
    """At 5 frames a second, second 1.07 is frame 5 like second 1; what is asked for is written."""
    given = tmp_path / "val.csv"
    given.write_text("a,0001,0,0,1,1,2\na,1.07,0,0,1,1,2\na,1.07,0,0,1,1,1\na,0004,,,,,\n")
    seen = Seen()
    report = write_people(videos, tmp_path / "out.csv", seen, moments=KeyframesOf([given]))
    assert (report.videos, report.keyframes, seen.batches) == (1, 3, [2])
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines] == [["a", "0001"], ["a", "1.07"], ["a", "0004"]]
    given.write_text("a,0007,0,0,1,1,2\n")
    with pytest.raises(
        ValueError, match=r"val.csv: expected keyframes of 'a' from second 0 to 6\.00"
    ):
        write_people(videos, tmp_path / "out.csv", seen, moments=KeyframesOf([given]))
    given.write_text("aa,0001,0,0,1,1,2\n")
    with pytest.raises(ValueError, match=r"the first is 'aa' \(did you mean 'a'\?\); rename it"):
        write_people(videos, tmp_path / "out.csv", seen, moments=KeyframesOf([given]))
    with pytest.raises(ValueError, match=r"no.csv: expected a list of boxes .* check --keyframes"):
        KeyframesOf([given, tmp_path / "no.csv"])


def test_what_cannot_be_read_is_told(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes((videos / "a.mp4").read_bytes()[:300])
    report = write_people(tmp_path, tmp_path / "out" / "boxes.csv", Seen())
    ((file, why),) = report.unread
    assert file.endswith("bad.mp4")
    assert "bad.mp4" in why
    assert report.videos == 0
    assert (tmp_path / "out" / "boxes.csv").read_text() == ""


def test_names_are_told_apart(videos: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "a.avi"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"expected videos of different names, .* 'a' in a\.avi"):
        write_people(tmp_path, tmp_path / "boxes.csv", Seen())
    with pytest.raises(ValueError, match="expected videos, found none"):
        write_people(videos / "..", tmp_path / "boxes.csv", Seen())


class Boxes(nn.Module):
    """As torchvision's detectors answer."""

    def forward(self, pictures: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        assert all(p.min() >= 0 and p.max() <= 1 and p.shape == (3, 10, 20) for p in pictures)
        boxes = torch.tensor([[2.0, 1, 10, 5], [0, 0, 20, 10], [-1, 0, 21, 5]])
        found = {"boxes": boxes, "labels": torch.tensor([1, 3, 1]), "scores": boxes[:, 2] / 100}
        return [found] * len(pictures)


def test_persons_alone_are_taken_as_shares_of_the_frame() -> None:
    detector = PersonDetector(Boxes(), device=torch.device("cpu"))
    ((corners, scores),) = detector([torch.full((10, 20, 3), 255, dtype=torch.uint8)])
    expected = torch.tensor([[0.1, 0.1, 0.5, 0.5], [0, 0, 1, 0.5]])
    torch.testing.assert_close(corners, expected)
    torch.testing.assert_close(scores, torch.tensor([0.1, 0.21]))


def test_weights_that_cannot_be_had_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_network(*args: object, **kwargs: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    words = ["detect-people", "--videos", str(tmp_path), "--out", str(tmp_path / "boxes.csv")]
    assert main([*words, "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert "cannot be downloaded (no route to host); get https://" in said
    assert "give --weights FILE, or put it at /" in said
    torch.save({"w": torch.zeros(1)}, tmp_path / "other.pth")
    assert main([*words, "--device", "cpu", "--weights", str(tmp_path / "other.pth")]) == 2
    assert "expected the weights of torchvision's fasterrcnn_resnet50_fpn_v2" in (
        capsys.readouterr().err
    )


@pytest.mark.slow
def test_the_command_with_weights_of_a_file(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

    torch.manual_seed(0)
    net = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
    torch.save(net.state_dict(), tmp_path / "random.pth")
    out = tmp_path / "boxes.csv"
    words = ["--videos", str(videos), "--out", str(out), "--weights", str(tmp_path / "random.pth")]
    assert main(["detect-people", *words, "--every", "3", "--threshold", "0"]) == 0
    assert f"of 1 keyframes in 2 video(s): {out}" in capsys.readouterr().out
