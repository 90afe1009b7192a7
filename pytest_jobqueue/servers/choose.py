"""Which Redis `--redis` means: the words on the command line to modes, and `auto` to one of them.

Nothing is started here. What was asked for by name is never replaced by something else; only `auto` chooses,
and it says why.
"""

from __future__ import annotations

import difflib

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.servers.docker_engine import docker_available, image_available
from pytest_jobqueue.servers.process import find_binary
from pytest_jobqueue.servers.provider import SCHEMES, split_database

NAMES = ("fake", "server", "container", "auto")


def parse_modes(text: str) -> tuple[str, ...]:
    """Read the value of `--redis`: modes and URLs with commas between them, each kept once, in order.

    Raises:
        UsageError: There is none, or one that does not exist, or a URL that cannot be.
    """
    words = [word.strip() for word in text.split(",")]
    modes = tuple(dict.fromkeys(_checked(word) for word in words if word))
    if not modes:
        raise UsageError(f"--redis={text} names no Redis. {_possible()}")
    return modes


def choose_auto(*, image: str | None = None) -> tuple[str, str]:
    """What `auto` means here.

    Args:
        image: The image that a container would run. With one, `container` is chosen only if it can be had.

    Returns:
        `container`, `server` or `fake`, and the reason as half a sentence.
    """
    missing = docker_available() or (image_available(image) if image else None)
    if missing is None:
        return "container", "a Docker engine answers"
    no_container = f"no container ({missing.splitlines()[0]})"
    binary = find_binary()
    if binary is not None:
        return "server", f"{no_container}, but {binary} is here"
    return "fake", f"{no_container}, and no server binary"


def _checked(word: str) -> str:
    if word in NAMES:
        return word
    scheme, colon, rest = word.partition("://")
    if not colon:
        raise UsageError(f"--redis={word} is unknown. {_guess(word, NAMES)}{_possible()}")
    if scheme not in SCHEMES:
        raise UsageError(f"--redis={scheme}://… is unknown. {_guess(scheme, SCHEMES, '://')}{_possible()}")
    if scheme == "unix" and not rest.rpartition("@")[2].startswith("/"):
        raise UsageError("--redis=unix://… needs an absolute path to a socket, as in unix:///run/redis.sock")
    split_database(word)
    return word


def _guess(word: str, known: tuple[str, ...], after: str = "") -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1)
    return f"Did you mean {near[0]}{after}? " if near else ""


def _possible() -> str:
    urls = ", ".join(f"{scheme}://…" for scheme in SCHEMES)
    return f"Possible: {', '.join(NAMES)}, or the URL of a Redis that runs ({urls}); several with commas."
