"""Pickles whose tuples hold tuples so often that comparing or hashing one never ends."""

from __future__ import annotations

import pickletools
from typing import Any, BinaryIO

HEAVIEST = 1_000_000  # entries, those of entries among them
_TUPLES = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE")
_PUTS, _GETS = ("PUT", "BINPUT", "LONG_BINPUT"), ("GET", "BINGET", "LONG_BINGET")
_MARK: Any = None


def refuse_heavy(file: BinaryIO) -> None:
    """Read one pickle, making nothing of it.

    A tuple that holds the one before it twice, sixty times over, takes sixty opcodes. Its hash,
    which a reader needs to make it the key of a dict, goes through all 2 ** 60 entries.

    Raises:
        ValueError: a tuple weighs too much, or the pickle is damaged. Damage may also raise
            IndexError, KeyError or UnicodeDecodeError.
    """
    stack: list[Any] = []  # weights, and marks
    memo: dict[int, int] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in _PUTS:
            memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in _GETS:
            stack.append(memo[int(argument)])
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            taken = _take(stack, opcode)
            weight = sum(taken) + 1 if name in _TUPLES else max(taken, default=1)
            if weight > HEAVIEST:
                raise ValueError("its tuples hold each other more often than can be counted")
            # Lists and dicts have no hash; what was in them does not count.
            kept = 1 if name in ("LIST", "DICT", "APPEND", "APPENDS") else weight
            after = opcode.stack_after
            stack += [_MARK if each is pickletools.markobject else kept for each in after]


def _take(stack: list[Any], opcode: Any) -> list[int]:
    """Take off what the opcode takes: to the last mark where it needs one."""
    taken: list[int] = []
    before = opcode.stack_before
    number = len(before)
    to_mark = pickletools.markobject in before
    if to_mark or (opcode.name == "POP" and stack and stack[-1] is _MARK):
        while stack[-1] is not _MARK:
            taken.append(stack.pop())
        stack.pop()
        number = before.index(pickletools.markobject) if to_mark else 0
    for _ in range(number):
        taken.append(stack.pop())
    return taken
