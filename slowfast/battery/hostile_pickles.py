"""Makes checkpoint files that want to do harm: run code, take memory or time, reach other files."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from slowfast.engine.checkpoint.integrity import hash_file
from slowfast.engine.checkpoint.manifest import MANIFEST, write_manifest
from slowfast.engine.checkpoint.sharded import write_sharded
from slowfast.engine.checkpoint.tree import split

ENVIRONMENT = "SLOWFAST_STRESS"  # a variable that hostile files set
_HUGE = 1 << 40


def calls(canary: str, port: int) -> dict[str, tuple[str, str, tuple[Any, ...]]]:
    """Name -> module, function and arguments of a call that would leave a trace."""
    touch = f"open({canary!r}, 'w')"
    url = f"http://127.0.0.1:{port}/"
    return {
        "system": ("os", "system", (f"touch {canary}",)),
        "posix": ("posix", "system", (f"touch {canary}",)),
        "subprocess": ("subprocess", "check_output", (["touch", canary],)),
        "eval": ("builtins", "eval", (touch,)),
        "exec": ("builtins", "exec", (touch,)),
        "old eval": ("__builtin__", "eval", (touch,)),
        "open": ("builtins", "open", (canary, "w")),
        "mkdir": ("os", "mkdir", (canary,)),
        "putenv": ("os", "putenv", (ENVIRONMENT, "1")),
        "copy": ("shutil", "copy", ("/etc/hostname", canary)),
        "socket": ("socket", "create_connection", (("127.0.0.1", port),)),
        "url": ("urllib.request", "urlopen", (url,)),
        "memmap": ("numpy", "memmap", (canary, "u1", "w+", 0, 8)),
        "fromfile": ("numpy", "fromfile", ("/etc/passwd", "u1")),
        "numpy.load": ("numpy", "load", (canary, None, True)),
        "torch.load": ("torch", "load", (canary,)),
        "torch.save": ("torch", "save", ([], canary)),
        "hub": ("torch.hub", "load_state_dict_from_url", (url,)),
        "getattr": ("builtins", "getattr", ("os", "system")),
        "import": ("importlib", "import_module", ("antigravity",)),
        "codecs": ("codecs", "open", (canary, "w")),
        "log": ("logging", "FileHandler", (canary,)),
        "inner pickle": ("pickle", "loads", (b"cos\ngetcwd\n(tR.",)),
        "end": ("os", "_exit", (0,)),
        "exit": ("sys", "exit", (0,)),
        "dotted": ("os", "path.os.system", (f"touch {canary}",)),
    }


class _Named:
    """Stands for a global, whatever it is, when it is pickled."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Call:
    def __init__(self, function: _Named, arguments: tuple[Any, ...]) -> None:
        self.function, self.arguments = function, arguments


_PLAIN: Any = pickle._Pickler  # type: ignore[attr-defined]


class _Pickler(_PLAIN):  # type: ignore[misc]
    """Writes calls without importing what they call."""

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Named):
            if self.proto >= 4:
                self.save(value.module)
                self.save(value.name)
                self.write(pickle.STACK_GLOBAL)
            else:
                self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, _Call):
            self.save(value.function)
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def _pickled(value: Any, protocol: int) -> bytes:
    file = io.BytesIO()
    _Pickler(file, protocol).dump(value)
    return file.getvalue()


def _zipped(data: bytes, **more: bytes) -> bytes:
    """A file like one of torch.save around a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/byteorder", "little")
        for name, content in more.items():
            archive.writestr(f"archive/{name}", content)
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def _raw() -> Iterator[tuple[str, bytes]]:
    """Pickles of unusual opcodes."""
    yield "INST", b"(S'id'\nios\nsystem\n."
    yield "OBJ", b"(cos\nsystem\nS'id'\no."
    yield "EXT1", b"\x80\x02\x82\x01."
    yield "PERSID", b"Pan id\n."
    yield "BINPERSID", b"\x80\x02(U\x07storagecos\nsystem\nU\x010U\x03cpuK\x04tQ."
    yield "NEWOBJ_EX", b"\x80\x04\x8c\x02os\x8c\x06system\x93)}\x92."
    yield "BUILD", b"\x80\x02ccollections\nOrderedDict\n)R}U\x09__class__cos\nsystem\nsb."
    yield "memo far away", b"\x80\x04]r\xff\xff\xff\x7f."
    yield "memo that is not there", b"\x80\x04j\xff\xff\xff\x7f."
    yield "huge bytes", b"\x80\x04\x8e" + struct.pack("<Q", _HUGE) + b"x."
    yield "huge text", b"\x80\x04\x8d" + struct.pack("<Q", _HUGE) + b"x."
    yield "huge frame", b"\x80\x04\x95" + struct.pack("<Q", _HUGE) + b"}."
    yield "deep lists", b"\x80\x04" + b"](" * 100_000 + b"."
    yield "deep tuples", b"\x80\x04)" + b"\x85" * 100_000 + b"."
    # The hash of a tuple is that of its entries, and each holds the one before it twice.
    yield "slow key", b"\x80\x04})" + b"2\x86" * 60 + b"Ns."
    yield "all doubled", b"\x80\x04})" + b"2\x86" * 60 + b"0."
    twice = b"q\x00h\x00h\x00\x86"
    key = b"\x80\x02}q\x01)" + twice * 60 + b"q\x02"
    yield "slow key of memos", key + b"h\x01h\x02Ns."
    yield "slow state", key + b"0h\x01X\x0b\0\0\0model_stateh\x02s."
    yield "nothing", b""
    yield "no end", b"\x80\x04}"


def write_hostile(folder: Path, *, port: int) -> list[Path]:
    """Files of all kinds; none of them may be read."""
    folder.mkdir(parents=True)
    canary = str(folder / "canary")
    files: list[tuple[str, bytes]] = []
    for number, (name, (module, function, arguments)) in enumerate(calls(canary, port).items()):
        call = _Call(_Named(module, function), arguments)
        protocol, nested = (0, 2, 4)[number % 3], [{"x": (call,)}]
        blobs = {"blobs": {"conv1_w": call if number % 2 else nested}}
        files.append((f"{name}.pkl", _pickled(blobs, protocol)))
        state = {"model_state": call if number % 2 else {"w": nested}}
        files.append((f"{name}.pyth", _zipped(_pickled(state, 2))))
    for name, data in _raw():
        files += [(f"{name}.pkl", data), (f"{name}.pyth", _zipped(data))]
    files += [*_archives(), *_safetensors()]
    paths = []
    for name, data in files:
        path = folder / name.replace(" ", "_")
        path.write_bytes(data)
        paths.append(path)
    return [*paths, *_folders(folder, canary, port)]


def _archives() -> Iterator[tuple[str, bytes]]:
    good = io.BytesIO()
    torch.save({"model_state": {"w": torch.zeros(1000)}}, good)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 5_000_000)
    yield "packed bomb.pyth", packed.getvalue()
    link = zipfile.ZipInfo("archive/data.pkl")
    link.external_attr = 0o120777 << 16
    linked = io.BytesIO()
    with zipfile.ZipFile(linked, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    yield "link.pyth", linked.getvalue()
    outside = io.BytesIO()
    with zipfile.ZipFile(outside, "w") as archive:
        archive.writestr("../../canary", "x")
    yield "outside.pyth", outside.getvalue()
    yield "half.pyth", good.getvalue()[:700]
    whole = good.getvalue()
    longer = whole.replace(struct.pack("<I", 4000) * 2, struct.pack("<I", 0x7FFFFFFF) * 2)
    yield "longer than it is.pyth", longer
    many = {"model_state": {"w": torch.zeros(1).expand(1 << 40)}}
    repeated = io.BytesIO()
    torch.save(many, repeated)
    yield "one number repeated.pyth", repeated.getvalue()


def _safetensors() -> Iterator[tuple[str, bytes]]:
    def file(header: Any, size: int | None = None) -> bytes:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text) if size is None else size) + text + b"\0" * 16

    entry = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    yield "endless header.safetensors", file({"w": entry}, _HUGE)
    yield "deep header.safetensors", file(b'{"w":' + b"[" * 100_000)
    yield "beyond.safetensors", file({"w": {**entry, "data_offsets": [0, _HUGE]}})
    yield "many numbers.safetensors", file({"w": {**entry, "shape": [_HUGE, _HUGE]}})
    yield "strange type.safetensors", file({"w": {**entry, "dtype": "os.system"}})
    yield "names.safetensors", file({"__metadata__": {"class_names": "[" * 100_000}, "w": entry})


def _folders(folder: Path, canary: str, port: int) -> Iterator[Path]:
    """Sharded checkpoints whose files fit their manifest and are not what they should be."""
    module, function, arguments = calls(canary, port)["system"]
    evil = _pickled(_Call(_Named(module, function), arguments), 4)
    edits: dict[str, Callable[[Path], Any]] = {
        "call": lambda f: (f / ".metadata").write_bytes(evil),
        "memo": lambda f: (f / ".metadata").write_bytes(b"\x80\x04]r\xff\xff\xff\x7f."),
        "key": lambda f: (f / ".metadata").write_bytes(b"\x80\x04})" + b"2\x86" * 60 + b"Ns."),
        "outside": lambda f: _replace(f / ".metadata", b"__0_0.distcp", b"/etc/hostname"[:12]),
        "share": lambda f: (f / "__0_0.distcp").write_bytes(evil * 200),
        "deep": lambda f: (f / "state.json").write_text("[" * 100_000),
        "items": lambda f: (f / "state.json").write_text('{"$items": [[[], 1]]}'),
        "no_tensor": lambda f: (f / "state.json").write_text('{"w": {"$tensor": "x"}}'),
    }
    for name, edit in edits.items():
        path = folder / f"{name}.dcp"
        state = {"model_state": {"w": torch.zeros(300)}}
        write_sharded(path, *split(state), None)
        edit(path)
        files = [each for each in path.iterdir() if each.name != MANIFEST]
        write_manifest(path, {each.name: hash_file(each) for each in files})
        yield path


def _replace(path: Path, old: bytes, new: bytes) -> None:
    path.write_bytes(path.read_bytes().replace(old, new))
