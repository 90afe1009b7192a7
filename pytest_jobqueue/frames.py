"""Whose a piece of code is: the service's own, or a library's or ours, which a reader cannot mend."""

from __future__ import annotations

import os
import sysconfig
import traceback
from functools import cache
from pathlib import Path


def is_users(file: str) -> bool:
    """Whether code in this file (`co_filename`) is neither a library's nor this package's."""
    return not file.startswith(_others())


def users_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Where an error came through the service's own code, the innermost place last."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]


@cache
def _others() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return ("<", *{folder + os.sep for folder in (*folders, str(Path(__file__).parent))})
