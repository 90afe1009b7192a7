"""Makes every call in a Lua 5.1 chunk an ordinary one.

`return redis.call(…)` is a tail call: Lua drops the script's own frame, unless what is called is a C
function. A real Redis' API is C, ours is Lua, so the line of the script would be missing from its errors.
The compiler puts `RETURN A 0` after each `TAILCALL A B 0`; with `CALL A B 0` in its place the pair does the
same, and the frame stays.
"""

from __future__ import annotations

import struct

_OPCODE_MASK = 0x3F
_CALL, _TAILCALL = 28, 29
_HEADER_SIZE = 12
_NIL, _BOOLEAN, _NUMBER, _STRING = 0, 1, 3, 4


def _without_tail_call(word: int) -> int:
    return word - (_TAILCALL - _CALL) if word & _OPCODE_MASK == _TAILCALL else word


class _Chunk:
    """A walk through what `string.dump` writes (`ldump.c`), changing instructions on the way."""

    def __init__(self, code: bytes) -> None:
        if code[:5] != b"\x1bLuaQ" or code[5] != 0 or code[9] != 4:
            raise ValueError("not a chunk of Lua 5.1 with 4-byte instructions")
        self.code = bytearray(code)
        self._at = _HEADER_SIZE
        self._endian = "<" if code[6] else ">"
        self._int = struct.Struct(self._endian + {4: "i", 8: "q"}[code[7]])
        self._size = struct.Struct(self._endian + {4: "I", 8: "Q"}[code[8]])
        self._number_size = code[10]

    def _count(self) -> int:
        (value,) = self._int.unpack_from(self.code, self._at)
        self._at += self._int.size
        return int(value)

    def _skip_string(self) -> None:
        (length,) = self._size.unpack_from(self.code, self._at)
        self._at += self._size.size + length

    def _instructions(self) -> None:
        count = self._count()
        row = struct.Struct(f"{self._endian}{count}I")
        words = row.unpack_from(self.code, self._at)
        row.pack_into(self.code, self._at, *map(_without_tail_call, words))
        self._at += row.size

    def _skip_constants(self) -> None:
        for _ in range(self._count()):
            kind = self.code[self._at]
            self._at += 1
            if kind == _STRING:
                self._skip_string()
            else:
                self._at += {_NIL: 0, _BOOLEAN: 1, _NUMBER: self._number_size}[kind]

    def _skip_debug(self) -> None:
        lines = self._count()  # one for each instruction
        self._at += self._int.size * lines
        for _ in range(self._count()):  # local variables: name, first and last instruction
            self._skip_string()
            self._at += 2 * self._int.size
        for _ in range(self._count()):  # names of upvalues
            self._skip_string()

    def function(self) -> None:
        """Change one function and those inside it."""
        self._skip_string()  # the source's name
        self._at += 2 * self._int.size + 4  # first and last line; upvalues, parameters, varargs, stack
        self._instructions()
        self._skip_constants()
        for _ in range(self._count()):
            self.function()
        self._skip_debug()


def without_tail_calls(code: bytes) -> bytes:
    """The same chunk, with calls for tail calls.

    Args:
        code: What `string.dump` gave, of Lua 5.1.

    Raises:
        ValueError: It is something else.
    """
    chunk = _Chunk(code)
    chunk.function()
    return bytes(chunk.code)
