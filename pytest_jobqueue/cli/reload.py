"""Which Python files change below this folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watchfiles import Change


def changes() -> AsyncIterator[str]:
    """The files of one burst of changes, in words, again and again, once the iteration has begun.

    Raises:
        UsageError: watchfiles is not installed.
    """
    try:
        from watchfiles import PythonFilter, awatch
    except ModuleNotFoundError:
        raise UsageError('--reload needs watchfiles: pip install "pytest-jobqueue[dev]"') from None
    here = Path.cwd()
    bursts = awatch(here, watch_filter=PythonFilter(), recursive=True)
    return _in_words(here, bursts)


async def _in_words(here: Path, bursts: AsyncIterator[set[tuple[Change, str]]]) -> AsyncIterator[str]:
    async for found in bursts:
        names = sorted({str(Path(path).relative_to(here)) for _, path in found})
        yield ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
