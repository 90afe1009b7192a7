"""What a test is told when a tool is missing: a skip at home, a failure where the run requires the tool."""

from __future__ import annotations

import pytest
from support import tools


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(tools, "have", lambda _tool: False)


def test_a_tool_that_is_here_is_no_matter(monkeypatch):
    monkeypatch.setattr(tools, "have", lambda _tool: True)
    tools.need("go", "ruby")


@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_tool_skips_at_home(monkeypatch):
    monkeypatch.delenv(tools.REQUIRE, raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"^go is not here: install Go"):
        tools.need("go")


@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_tool_fails_where_it_is_required(monkeypatch):
    monkeypatch.setenv(tools.REQUIRE, "ruby, go")
    with pytest.raises(pytest.fail.Exception, match=r"^go is not here: .*PYTEST_JOBQUEUE_REQUIRE lists it"):
        tools.need("go")


def test_a_name_that_nobody_knows_is_an_error():
    with pytest.raises(KeyError):
        tools.need("perl")
