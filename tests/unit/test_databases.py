"""A worker process of a Django project uses the test's databases, by the names that the runner gave them."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from pytest_jobqueue import databases


@pytest.fixture
def django(monkeypatch):
    """Django as far as it matters here: what has been configured."""
    found = {"default": {"NAME": "shop"}, "other": {"NAME": ""}}
    settings = SimpleNamespace(configured=True)
    monkeypatch.setitem(sys.modules, "django.conf", SimpleNamespace(settings=settings))
    connections = SimpleNamespace(databases=found)
    monkeypatch.setitem(sys.modules, "django.db", SimpleNamespace(connections=connections))
    return SimpleNamespace(databases=found, settings=settings)


def test_names_are_handed_on(django):
    django.databases["default"]["NAME"] = "test_shop"
    assert databases.names() == {"default": "test_shop"}


def test_names_are_used(django):
    databases.use({"default": "test_shop", "gone": "test_gone"})
    assert django.databases == {"default": {"NAME": "test_shop"}, "other": {"NAME": ""}}


def test_without_a_project_there_are_none(django, monkeypatch):
    django.settings.configured = False
    assert databases.names() == {}
    monkeypatch.delitem(sys.modules, "django.db")
    assert databases.names() == {}
    databases.use({"default": "test_shop"})
