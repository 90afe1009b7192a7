"""The line `#!lua flags=…` that a script may begin with (Redis 7.0, `evalExtractShebangFlags`)."""

from __future__ import annotations

from pytest_jobqueue.wire.resp import Error

_FLAGS = {b"no-writes", b"allow-oom", b"allow-stale", b"no-cluster", b"allow-cross-slot-keys"}


def read_shebang(script: bytes) -> tuple[bytes, bool]:
    """The script to be compiled, lines counted from the shebang, and whether it promises not to write.

    Raises:
        Error: The line names another engine, or an option or flag that there is not.
    """
    if not script.startswith(b"#!"):
        return script, False
    end = script.find(b"\n")
    if end < 0:
        raise Error("ERR Invalid script shebang")
    words = script[:end].split()
    if not words or words[0] != b"#!lua":
        raise Error(f"ERR Unexpected engine in script shebang: {_text(words[0])}")
    no_writes = False
    for option in words[1:]:
        if not option.startswith(b"flags="):
            raise Error(f"ERR Unknown lua shebang option: {_text(option)}")
        for flag in filter(None, option[len(b"flags=") :].split(b",")):
            if flag not in _FLAGS:
                raise Error(f"ERR Unexpected flag in script shebang: {_text(flag)}")
            no_writes = no_writes or flag == b"no-writes"
    return script[end:], no_writes


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
