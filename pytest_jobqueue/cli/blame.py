"""The part of a traceback that the reader can do something about: frames of the reader's own files."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_OURS = str(Path(__file__).parent.parent)


def users_part(error: BaseException) -> str:
    """What led to a usage error, from its cause: the frames in the service's own files, or ""."""
    cause = error.__cause__
    if cause is None or (isinstance(cause, ModuleNotFoundError) and cause.__traceback__ is None):
        return ""
    frames = [frame for frame in traceback.extract_tb(cause.__traceback__) if _is_users(frame.filename)]
    if not frames and not isinstance(cause, SyntaxError):
        return ""
    lines = ["Traceback (most recent call last):\n"] if frames else []
    lines += traceback.format_list(frames)
    lines += traceback.format_exception_only(type(cause), cause)
    return "\n" + "".join(lines).rstrip()


def _is_users(filename: str) -> bool:
    if filename.startswith("<"):
        return False
    paths = sysconfig.get_paths()
    others = (_OURS, paths["stdlib"], paths["purelib"], paths["platlib"])
    return not any(filename.startswith(other) for other in others)
