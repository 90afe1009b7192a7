"""Which job libraries are installed here: tests of an adapter need its library.

The folder of one that is missing is left out, and the run's first lines say so; tox has an environment for
each library, since some exclude each other.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "adapters"
LIBRARIES = sorted(path.parent.name for path in FOLDER.glob("*/test_contract.py"))
MISSING = [name for name in LIBRARIES if name != "sidekiq" and find_spec(name) is None]
