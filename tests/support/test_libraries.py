"""A library that a run requires has to be there, and tox begins where the promised range does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import libraries
from support.tools import REQUIRE

ROOT = Path(__file__).parents[2]
PROMISED = re.compile(r'"([a-z-]+)(?:\[\w+\])?>=([\d.]+)')
TRIED = re.compile(r"^    \w+-oldest: ([a-z-]+)(?:\[\w+\])?==([\d.]+?)(?:\.0)?$", re.MULTILINE)


def test_a_library_that_is_required_has_to_be_here(monkeypatch):
    monkeypatch.setattr(libraries, "MISSING", ["arq", "rq"])
    monkeypatch.setenv(REQUIRE, "server, rq")
    with pytest.raises(pytest.UsageError, match=rf"^not installed: rq \({REQUIRE} lists it\)"):
        libraries.check_required()


def test_the_others_can_be_missing(monkeypatch):
    monkeypatch.setattr(libraries, "MISSING", ["arq"])
    monkeypatch.setenv(REQUIRE, "server, rq")
    libraries.check_required()


def test_the_oldest_that_tox_tries_is_the_oldest_that_is_promised():
    promised = dict(PROMISED.findall((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    tried = dict(TRIED.findall((ROOT / "tox.ini").read_text(encoding="utf-8")))
    assert set(libraries.LIBRARIES) <= set(tried)
    assert tried == {name: promised[name] for name in tried}
