"""Mirrors slowfast/engine/checkpoint/sharded.py."""

from __future__ import annotations

import errno
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slowfast.engine.checkpoint import sharded
from slowfast.engine.checkpoint.dcp_reader import read_metadata
from slowfast.engine.checkpoint.integrity import CheckpointError, hash_file
from slowfast.engine.checkpoint.manifest import MANIFEST, write_manifest
from slowfast.engine.checkpoint.sharded import read_sharded, write_sharded
from slowfast.engine.checkpoint.state import newest_whole, read_checkpoint, remove_steps_before
from slowfast.engine.checkpoint.tree import split

CONTENT: dict[str, Any] = {
    "epoch": 3,
    "model_state": {"w": torch.arange(12.0).reshape(3, 4), "n": torch.tensor(7)},
    "optimizer_state": {"state": {0: {"step": torch.tensor(2.0)}}, "param_groups": [{"lr": 0.1}]},
    "slowfast": {"position": {"epoch": 4, "batch": 0}},
}


def make(path: Path, content: dict[str, Any] = CONTENT) -> Path:
    write_sharded(path, *split(content), None)
    return path


def edited(path: Path, name: str, data: bytes) -> Path:
    """A file of the folder replaced, by somebody who knows what a manifest is."""
    (path / name).write_bytes(data)
    files = [each for each in path.iterdir() if each.name != MANIFEST]
    write_manifest(path, {each.name: hash_file(each) for each in files})
    return path


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = make(tmp_path / "checkpoint_epoch_00004.dcp")
    names = {".metadata", "__0_0.distcp", "manifest.sha256", "state.json"}
    assert {each.name for each in path.iterdir()} == names
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    read = read_checkpoint(path)
    assert torch.equal(read["model_state"].pop("w"), CONTENT["model_state"]["w"])
    assert read["model_state"] == {"n": torch.tensor(7)}
    for name in ("epoch", "optimizer_state", "slowfast"):
        assert read[name] == CONTENT[name]


def test_it_is_found_among_files_and_removed_like_them(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    old = make(folder / "checkpoint_epoch_00000_step_00000001.dcp")
    torch.save({}, folder / "checkpoint_epoch_00000_step_00000002.pyth")
    new = make(folder / "checkpoint_epoch_00001.dcp")
    assert newest_whole(tmp_path) == new
    remove_steps_before(tmp_path, new, keep=1)
    assert not old.exists()


def test_a_damaged_folder_is_named_and_never_read(tmp_path: Path) -> None:
    path = make(tmp_path / "a.dcp")
    (path / "__0_0.distcp").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"a\.dcp: has a __0_0\.distcp that does not fit"):
        read_checkpoint(path)
    (path / MANIFEST).unlink()
    with pytest.raises(CheckpointError, match=r"has no manifest.*, or is not one of ours"):
        read_checkpoint(path)


def test_a_full_disk_is_one_line_and_costs_only_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "a.dcp")
    before = (path / MANIFEST).read_text()

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("write_manifest", "to_text"):
        with monkeypatch.context() as patch:
            patch.setattr(sharded, name, full)
            with pytest.raises(
                CheckpointError, match=r"could not be saved \(No space left"
            ) as told:
                make(path, {"model_state": {"w": torch.ones(1)}})
        assert "\n" not in str(told.value)
        assert list(tmp_path.iterdir()) == [path]
        assert (path / MANIFEST).read_text() == before


def test_its_name_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older ones are removed next, which must not come before it on the disk."""
    synced = []

    def sync(folder: Path) -> None:
        synced.append((folder, sorted(each.name for each in folder.iterdir())))

    monkeypatch.setattr(sharded, "sync_folder", sync)
    make(tmp_path / "a.dcp")
    assert synced == [(tmp_path, ["a.dcp"])]


def test_a_mistake_of_ours_is_no_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"a\.dcp: TypeError: .*not JSON serializable"):
        make(tmp_path / "a.dcp", {"model_state": {"w": torch.ones(1)}, "best": {1, 2}})


class Evil:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.folder),)


def test_code_in_a_description_is_not_run(tmp_path: Path) -> None:
    path = edited(make(tmp_path / "a.dcp"), ".metadata", pickle.dumps(Evil(tmp_path / "owned")))
    with pytest.raises(CheckpointError, match=r"reading them failed \(it asks for posix\.mkdir\)"):
        read_sharded(path, source="a.dcp")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pickle.dumps({"w": 1}), "its description is dict"),
        (b"\x80\x04})" + b"2\x86" * 60 + b"Ns.", "a name in its description is malformed"),
        (b"\x80\x04]r\xff\xff\xff\x7f.", "its description is list"),
        (b"(cos\nsystem\no.", "KeyError|111|it asks for os.system"),
    ],
)
def test_other_descriptions_are_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = edited(make(tmp_path / "a.dcp"), ".metadata", data)
    with pytest.raises(CheckpointError, match=f"reading them failed .*({reason})"):
        read_sharded(path, source="a.dcp")


def test_descriptions_cannot_reach_other_files_or_ask_for_much(tmp_path: Path) -> None:
    path = make(tmp_path / "a.dcp")
    metadata = read_metadata(path)
    entry = metadata.state_dict_metadata["model_state/w"]
    entry.size = torch.Size([1 << 40])
    edited(path, ".metadata", pickle.dumps(metadata))
    with pytest.raises(CheckpointError, match="its tensors are larger than its files"):
        read_sharded(path, source="a.dcp")
    entry.size = torch.Size([3, 4])
    next(iter(metadata.storage_data.values())).relative_path = "../secret"
    edited(path, ".metadata", pickle.dumps(metadata))
    with pytest.raises(CheckpointError, match=r"it names the file '\.\./secret'"):
        read_sharded(path, source="a.dcp")


def packed(data: bytes) -> bytes:
    """A file of torch.save with its entries compressed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(packed, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def heavy() -> bytes:
    """A file of torch.save whose pickle has a key that takes hours to hash."""
    saved, made = io.BytesIO(), io.BytesIO()
    torch.save({}, saved)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(made, "w") as new:
        for entry in old.infolist():
            tuples = b"\x80\x02})" + b"2\x86" * 60 + b"Ns."
            new.writestr(entry, tuples if entry.filename.endswith("data.pkl") else old.read(entry))
    return made.getvalue()


def saved(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (packed(saved(torch.zeros(3, 4))), "its entries are compressed"),
        (heavy(), "its tuples hold each other"),
    ],
    ids=["packed", "heavy"],
)
def test_parts_of_files_are_no_bombs(data: bytes, reason: str, tmp_path: Path) -> None:
    path = make(tmp_path / "a.dcp")
    metadata, file = read_metadata(path), path / "__0_0.distcp"
    for index, info in metadata.storage_data.items():
        if index.fqn == "model_state/w":
            info.offset, info.length = file.stat().st_size, len(data)
    edited(path, file.name, file.read_bytes() + data)
    edited(path, ".metadata", pickle.dumps(metadata))
    with pytest.raises(CheckpointError, match=f"reading them failed .*{reason}"):
        read_sharded(path, source="a.dcp")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda entry, info: entry.chunks.clear(), "the parts of model_state/w are not the whole"),
        (lambda entry, info: entry.chunks.extend(entry.chunks * 9), "are not the whole of it"),
        (lambda entry, info: setattr(info, "transform_descriptors", ["zstd"]), "other parts of"),
        (lambda entry, info: setattr(info, "length", 1 << 40), "other parts of files than are"),
        (lambda entry, info: setattr(info, "offset", -1), "other parts of files than are written"),
    ],
)
def test_a_description_has_each_number_once(
    change: Callable[[Any, Any], None], reason: str, tmp_path: Path
) -> None:
    """What it leaves out would be zeros, and what it repeats would be read for ever."""
    path = make(tmp_path / "a.dcp")
    metadata = read_metadata(path)
    info = next(v for k, v in metadata.storage_data.items() if k.fqn == "model_state/w")
    change(metadata.state_dict_metadata["model_state/w"], info)
    edited(path, ".metadata", pickle.dumps(metadata))
    with pytest.raises(CheckpointError, match=f"reading them failed .*{reason}"):
        read_sharded(path, source="a.dcp")


def test_a_tensor_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    tree = b'{"model_state": {"x": {"$tensor": "model_state/x"}}}'
    path = edited(make(tmp_path / "a.dcp"), "state.json", tree)
    with pytest.raises(CheckpointError, match=r"reading them failed \('model_state/x'\)"):
        read_sharded(path, source="a.dcp")
