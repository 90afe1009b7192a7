"""The tables of the libraries say what the adapters declare."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def generate():
    return runpy.run_path(str(DOCS / "generate.py"))


def test_the_page_is_not_stale(generate):
    page = generate["PAGE"].read_text(encoding="utf-8")
    assert page == generate["generated"](page), "run python docs/generate.py"


def test_each_library_has_its_page_and_each_page_its_library(generate):
    pages = {library.page for library in generate["libraries"]()}
    assert pages == {"../sidekiq.md", *(page.name for page in DOCS.glob("adapters/[a-z]*.md"))}
    assert all((DOCS / "adapters" / page).is_file() for page in pages)
