"""Which job libraries are installed here: tests of an adapter, its page and its example need its library.

The folder of one that is missing is left out, and the run's first lines say so; where PYTEST_JOBQUEUE_REQUIRE
names it, that is an error. tox has an environment for each library, since some exclude each other.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from support.tools import REQUIRE, required

FOLDER = Path(__file__).parent.parent / "adapters"
LIBRARIES = sorted({path.parent.name for path in FOLDER.glob("*/test_contract.py")} - {"sidekiq"})
MISSING = [name for name in LIBRARIES if find_spec(name) is None]
INSTALLED = [name for name in LIBRARIES if name not in MISSING]


def check_required() -> None:
    """Stop a run that may not do without a library and has to.

    Raises:
        UsageError: PYTEST_JOBQUEUE_REQUIRE names a library that is not installed.
    """
    if lacking := [name for name in MISSING if required(name)]:
        raise pytest.UsageError(f"not installed: {', '.join(lacking)} ({REQUIRE} lists it)")
