"""The part of a traceback that the reader can do something about: frames of the reader's own files."""

from __future__ import annotations

import traceback

from pytest_jobqueue.frames import users_frames


def users_part(error: BaseException) -> str:
    """What led to a usage error, from its cause: the frames in the service's own files, or ""."""
    cause = error.__cause__
    if cause is None:
        return ""
    frames = users_frames(cause)
    if not frames and not isinstance(cause, SyntaxError):
        return ""
    lines = ["Traceback (most recent call last):\n"] if frames else []
    lines += traceback.format_list(frames)
    lines += traceback.format_exception_only(type(cause), cause)
    return "\n" + "".join(lines).rstrip()
