"""The suite's import path: helpers of several test folders live in `tests/support`, imported as `support.…`.

Test folders are no packages (`--import-mode=importlib`), so this one place says where helpers are.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

_HERE = str(Path(__file__).parent)
if _HERE not in sys.path:
    sys.path.insert(0, _HERE)

# How long one example takes says nothing on a busy machine.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_configure() -> None:
    """Look for the libraries that this run may not do without."""
    from support.libraries import check_required

    check_required()


def pytest_report_header() -> str | None:
    """Say which adapters are not tested."""
    from support.libraries import MISSING

    return f"not installed, so not tested: {', '.join(MISSING)}" if MISSING else None
