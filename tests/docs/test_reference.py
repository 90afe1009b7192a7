"""The reference pages name all that there is, and link to what there is."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from pytest_jobqueue import Settings, marker, plugin
from pytest_jobqueue.assertions import Assertions
from pytest_jobqueue.options import OPTIONS
from pytest_jobqueue.wire.dialects import DIALECTS

DOCS = Path(__file__).parents[2] / "docs"
README = DOCS.parent / "README.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
PUBLIC_FIXTURES = [name for name in vars(plugin) if re.fullmatch(r"jobqueue(_\w+)?", name)]


def text_of(page):
    return (DOCS / page).read_text(encoding="utf-8")


def row_of(page, first_cell):
    """The row of a table whose first cell names this."""
    rows = (line for line in text_of(page).splitlines() if line.startswith("|"))
    return next((row for row in rows if f"`{first_cell}`" in row.split("|")[1]), "")


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_each_option_is_there(option):
    row = row_of("fixtures.md", option.flag)
    assert all(f"`{said}`" in row for said in (option.ini, option.env, option.default) if said)


@pytest.mark.parametrize("name", PUBLIC_FIXTURES)
def test_each_fixture_is_there(name):
    assert row_of("fixtures.md", name) or f"### `{name}`\n" in text_of("fixtures.md")


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_each_setting_is_there_with_its_default(field):
    told = row_of("fixtures.md", field.name).split("|")[2].strip().strip("`")
    assert eval(told) == field.default


@pytest.mark.parametrize("name", inspect.signature(marker.jobqueue).parameters)
def test_each_argument_of_the_marker_is_there(name):
    assert f"`{name}`" in text_of("fixtures.md").partition("\n## The marker\n")[2]


@pytest.mark.parametrize("name", [name for name in vars(Assertions) if name.startswith("assert_")])
def test_each_assertion_is_there(name):
    assert f"`{name}`" in text_of("fixtures.md")


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_each_dialect_is_there_with_its_version(dialect):
    assert f"`{dialect.name}`" in text_of("sidekiq.md")
    assert dialect.version in text_of("sidekiq.md")


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_links_lead_somewhere(page):
    assert [link for link in LINK.findall(text_of(page)) if not (DOCS / link).exists()] == []


def test_the_glossary_is_sorted():
    words = re.findall(r"^\*\*(.+?)\*\*:", text_of("glossary.md"), re.MULTILINE)
    assert words == sorted(words)


def test_the_readme_has_two_commands_each_below_what_announces_it():
    """CI runs them word for word, by their place; so there is no third, and neither is elsewhere."""
    text = README.read_text(encoding="utf-8")
    section = text.partition("\n## Try it\n")[2].partition("\n## ")[0]
    first, _, second, _, _ = BLOCK.split(section)
    assert BLOCK.findall(section) == BLOCK.findall(text)
    for above, said in ((first, "The first command runs "), (second, "The second runs ")):
        assert re.search(rf"{said}[^\n]+:\n\n\Z", above)


def test_each_of_the_readme_s_commands_makes_its_own_environment():
    for command in BLOCK.findall(README.read_text(encoding="utf-8")):
        make, *others = command.strip().split(" && ")
        assert make == "python3 -m venv .venv"
        assert [one.partition("/bin/")[0] for one in others] == [".venv"] * len(others)
        assert " -m pytest " in others[-1]
