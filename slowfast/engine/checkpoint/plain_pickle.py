"""Pickles of plain values and NumPy arrays, read without running anything of them.

A pickle is a program for a small stack machine, and most of its opcodes make objects by calling
what the file names. The machine here knows the opcodes that lists, dicts, numbers, text and
arrays need, and six names that stand for an array and its parts; it calls nothing that the file
chose. Work and memory are bounded by the size of the file.
"""

from __future__ import annotations

import codecs
import io
import math
import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np

_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_VALUES = {  # opcodes whose argument is the value
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_DTYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1")
_GLOBALS = {  # what the file may name -> what is done in its place
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
    "collections OrderedDict": "dict",
    "builtins bytes": "no bytes",
    "__builtin__ bytes": "no bytes",
} | {
    f"{package} {name}": meaning
    for core in ("numpy.core", "numpy._core")  # before and since NumPy 2
    for package, name, meaning in (
        (f"{core}.multiarray", "_reconstruct", "new array"),
        (f"{core}.multiarray", "scalar", "scalar"),
        (f"{core}.numeric", "_frombuffer", "array of bytes"),
    )
}


class Refused(ValueError):
    """The pickle is damaged, or asks for something that weights do not need."""


@dataclass
class PickledArray:
    """An array of the file; ``value`` lies over the file's bytes where that is possible."""

    value: np.ndarray | None = None


@dataclass
class _Dtype:
    text: str  # one of _DTYPES
    order: str = "<"


@dataclass(frozen=True)
class _Global:
    meaning: str


def read_plain(data: bytes) -> Any:
    """The content of a pickle, of any protocol; arrays are `PickledArray`.

    Raises:
        Refused: it holds anything else. Damage may also raise ValueError, IndexError,
            KeyError, UnicodeDecodeError, OverflowError or TypeError.
    """
    return _Machine(data).run()


class _Machine:
    """Stack, marks and memo of a pickle."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # stacks under the marks
        self.memo: dict[int, Any] = {}
        # Copies made from the file's bytes cannot be more than the file, or it is a bomb.
        self.left = len(data)

    def run(self) -> Any:
        while True:
            opcode = _OPCODES.get(self.file.read(1).decode("latin1"))
            if opcode is None:
                raise Refused(f"the pickle breaks off or is damaged at byte {self.file.tell()}")
            argument = None
            if opcode.name == "STRING":  # pickletools takes it for ASCII
                argument = _quoted(self.file.readline())
            elif opcode.arg is not None:
                argument = opcode.arg.reader(self.file)
            if opcode.name == "STOP":
                return self.stack.pop()
            self._step(opcode.name, argument)

    def _step(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "GLOBAL":
            self.stack.append(_named(argument))
        elif name in _STEPS:
            _STEPS[name](self)
        elif name not in ("PROTO", "FRAME"):
            raise Refused(f"it asks to make an object (opcode {name})")

    def above_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def make_tuple(self, size: int) -> None:
        items = [self.stack.pop() for _ in range(size)]
        self.stack.append(tuple(reversed(items)))

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise Refused(f"it adds to {type(target).__name__}")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise Refused(f"it sets entries of {type(target).__name__}")
        target.update(_pairs(items))

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Refused("what it holds is larger than the file itself")

    def stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_named(f"{module} {name}" if isinstance(module, str) else ""))

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise Refused(f"it calls {type(function).__name__}")
        self.stack.append(self.call(function.meaning, arguments))

    def call(self, meaning: str, arguments: tuple[Any, ...]) -> Any:
        match meaning, arguments:
            case "new array", _:
                return PickledArray()
            case "dtype", (str(text), *_) if text.lstrip("<>|=") in _DTYPES:
                return _Dtype(text.lstrip("<>|="), ">" if text[0] == ">" else "<")
            case "dtype", (kind, *_):
                raise Refused(f"it holds an array of {str(kind)[:40]!r}, where numbers belong")
            case "scalar", (dtype, data):
                return self.array(data, dtype, ())
            case "array of bytes", (data, dtype, shape, order):
                return self.array(data, dtype, shape, column_major=order == "F")
            case "encode", (str(text), "latin1" | "latin-1"):  # bytes, by Python 3 for Python 2
                self.take(len(text))
                return text.encode("latin1")
            case "no bytes", ():
                return b""
            case "dict", ():
                return {}
            case "dict", (list(pairs),):
                self.take(len(pairs))
                return _pairs([value for pair in pairs for value in (pair[0], pair[1])])
        raise Refused(f"it calls {meaning} with other arguments than arrays have")

    def build(self) -> None:
        """Fill the array, or set the byte order of the dtype, that is on the stack."""
        state, target = self.stack.pop(), self.stack[-1]
        match target, state:
            case PickledArray(), (int(), shape, dtype, column_major, data):
                filled = self.array(data, dtype, shape, column_major=bool(column_major))
                target.value = filled.value
            case _Dtype(), (int(), "<" | ">" | "|" | "=" as order, *_):
                target.order = ">" if order == ">" else "<"
            case _:
                raise Refused(f"it sets the state of {type(target).__name__}")

    def array(
        self, data: Any, dtype: Any, shape: Any, *, column_major: bool = False
    ) -> PickledArray:
        if isinstance(data, str | bytearray):
            self.take(len(data))
            data = data.encode("latin1") if isinstance(data, str) else bytes(data)
        if not isinstance(data, bytes) or not isinstance(dtype, _Dtype):
            raise Refused("an array is malformed")
        sizes = shape if isinstance(shape, tuple) else ()
        numbers = np.dtype(dtype.order + dtype.text)
        plain = all(type(n) is int and n >= 0 for n in sizes) and len(sizes) <= 8
        if not plain or math.prod(sizes) * numbers.itemsize != len(data):
            raise Refused(f"an array has {len(data)} bytes, which its shape does not need")
        flat = np.frombuffer(data, numbers)
        return PickledArray(flat.reshape(sizes[::-1]).T if column_major else flat.reshape(sizes))


_STEPS = {
    "MARK": _Machine.mark,
    "POP": lambda m: m.stack.pop() if m.stack else m.above_mark(),
    "POP_MARK": _Machine.above_mark,
    "DUP": lambda m: m.push(m.stack[-1]),
    "EMPTY_LIST": lambda m: m.push([]),
    "EMPTY_DICT": lambda m: m.push({}),
    "EMPTY_TUPLE": lambda m: m.push(()),
    "LIST": lambda m: m.push(m.above_mark()),
    "DICT": lambda m: m.push(_pairs(m.above_mark())),
    "TUPLE": lambda m: m.push(tuple(m.above_mark())),
    "TUPLE1": lambda m: m.make_tuple(1),
    "TUPLE2": lambda m: m.make_tuple(2),
    "TUPLE3": lambda m: m.make_tuple(3),
    "APPEND": lambda m: m.append([m.stack.pop()]),
    "APPENDS": lambda m: m.append(m.above_mark()),
    "SETITEM": lambda m: m.set_items([m.stack.pop(), m.stack.pop()][::-1]),
    "SETITEMS": lambda m: m.set_items(m.above_mark()),
    "MEMOIZE": lambda m: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}


def _named(name: str) -> _Global:
    """What stands for a global, "module name"."""
    if name not in _GLOBALS:
        raise Refused(f"it asks for {name.replace(' ', '.')[:80]}")
    return _Global(_GLOBALS[name])


def _pairs(items: list[Any]) -> dict[Any, Any]:
    """Keys and values in turn; keys are text or numbers, whose hash is cheap."""
    keys, values = items[::2], items[1::2]
    if len(keys) != len(values) or not all(isinstance(key, str | int | float) for key in keys):
        raise Refused("a dict has other keys than names")
    return dict(zip(keys, values, strict=True))


def _quoted(line: bytes) -> str:
    """The text of a protocol 0 string: quoted, with escapes for what is not ASCII."""
    text = line.rstrip(b"\n")
    if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b"'", b'"'):
        raise Refused("a text is malformed")
    return codecs.escape_decode(text[1:-1])[0].decode("latin1")
