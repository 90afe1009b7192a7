"""What must be known of fakeredis' commands in order to answer as a real server does: tables only.

They say which release a command came with, what its null looks like in RESP2, when it changed nothing, and in
which words a real server says what fakeredis says in its own.
"""

from __future__ import annotations

import re

from pytest_jobqueue.servers.commands.registry import SYNTAX_ERROR

NOT_FROM_SCRIPT = "ERR This Redis command is not allowed from script"

# Their null is the one of an array.
_ARRAY_NULLS = frozenset({"exec", "lmpop", "zmpop"})


def null_is_an_array(name: str, count: int) -> bool:
    """Whether RESP2 has `*-1` for the null of a command with so many arguments."""
    return name in _ARRAY_NULLS or (name in {"lpop", "rpop"} and count == 2)


# fakeredis takes the key for changed although the reply says that nothing was done.
_ZERO_IS_NOTHING = (
    *("sadd", "srem", "smove", "hdel", "hsetnx", "lrem", "setnx", "msetnx", "persist", "renamenx", "move"),
    *("zrem", "zremrangebyscore", "zremrangebyrank", "zremrangebylex", "xdel", "xtrim"),
)
NOTHING: dict[str, int | list[bytes]] = {**dict.fromkeys(_ZERO_IS_NOTHING, 0), "lpop": [], "rpop": []}

_FIRST = (0,)
_SINCE: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(["client no-touch", "client setinfo"], (7, 2)),
    **dict.fromkeys(
        [
            "hexpire",
            "hexpireat",
            "hexpiretime",
            "hpersist",
            "hpexpire",
            "hpexpireat",
            "hpexpiretime",
            "hpttl",
            "httl",
        ],
        (7, 4),
    ),
    **dict.fromkeys(["hgetdel", "hgetex", "hsetex"], (8,)),
    **dict.fromkeys(["xackdel", "xdelex"], (8, 2)),
    **dict.fromkeys(["msetex", "delex", "digest"], (8, 4)),
    **dict.fromkeys(["xcfgset", "xidmprecord"], (8, 6)),
    **dict.fromkeys(["xnack", "increx", "lmovem", "blmovem"], (8, 8)),
}


def since(name: str) -> tuple[int, ...]:
    """The release that brought a command."""
    return _SINCE.get(name, _FIRST)


_REWORDED = {
    "RANK can't be zero": "ERR RANK can't be zero",
    "numkeys should": "ERR numkeys should",
    "ERR BUSYGROUP": "BUSYGROUP",
    "ERR min or max not a valid string": "ERR min or max not valid string",
}
_QUOTED = re.compile(r"(ERR invalid expire time in|ERR at least 1 input key is needed for) '?([a-z]+)'?.*")
_NOT_AN_INTEGER = "ERR value is not an integer or out of range"
_OF_COMMANDS = {
    **dict.fromkeys(
        [(name, _NOT_AN_INTEGER) for name in ("spop", "zpopmin", "zpopmax")],
        "ERR value is out of range, must be positive",
    ),
    **{
        (name, SYNTAX_ERROR): f"ERR wrong number of arguments for '{name}' command"
        for name in ("lpop", "rpop")
    },
}


def reworded(text: str, name: str) -> str:
    """An error text of fakeredis' in a real server's words."""
    own = _OF_COMMANDS.get((name, text))
    if own:
        return own
    if text.startswith("ERR Wrong number of args calling") and not name.startswith("fcall"):
        return f"ERR wrong number of arguments for '{name}' command"
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return f"{quoted[1]} '{name}' command"
    for theirs, ours in _REWORDED.items():
        if text.startswith(theirs):
            return ours + text[len(theirs) :]
    return text
