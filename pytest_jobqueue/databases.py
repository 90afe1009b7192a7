"""Which databases a Django project's worker process uses: the test's, which the settings do not name.

The test runner gives each database another name in the settings of its own process; here they are handed on.
"""

from __future__ import annotations

import sys
from typing import Any


def _configured() -> Any:
    """Django's settings of each database, or nothing where no Django is set up."""
    conf, db = sys.modules.get("django.conf"), sys.modules.get("django.db")
    if conf is None or db is None or not conf.settings.configured:
        return {}
    return db.connections.databases


def names() -> dict[str, str]:
    """The databases of this process, by their aliases."""
    return {alias: str(settings["NAME"]) for alias, settings in _configured().items() if settings.get("NAME")}


def use(named: dict[str, str]) -> None:
    """Use these from now on; a connection that is open stays where it is."""
    databases = _configured()
    for alias in databases.keys() & named.keys():
        databases[alias]["NAME"] = named[alias]
