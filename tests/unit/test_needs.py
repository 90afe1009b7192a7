"""What an adapter needs: one error each for what is missing or too old, before a library is imported."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from pytest_jobqueue import registry
from pytest_jobqueue.adapters import needs
from pytest_jobqueue.errors import AdapterError
from pytest_jobqueue.registry import ADAPTERS

LIBRARIES = [adapter for adapter in ADAPTERS if adapter.name != "sidekiq"]
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

each_library = pytest.mark.parametrize("adapter", LIBRARIES, ids=lambda adapter: adapter.name)


@pytest.fixture
def installed(monkeypatch):
    """Which distributions there are; a dict to fill."""
    found = {}
    monkeypatch.setattr(needs, "installed_version", found.get)
    return found


def needs_of(adapter):
    return importlib.import_module(adapter.factory.partition(":")[0]).NEEDS


@each_library
def test_a_version_that_is_too_old(adapter, installed):
    for need in needs_of(adapter):
        found = needs._NEED.fullmatch(need)
        installed.update({other.partition(">=")[0].partition("[")[0]: "99.0" for other in needs_of(adapter)})
        installed[found["name"]] = "0.1.9"
        with pytest.raises(AdapterError) as caught:
            registry._factory(adapter)
        assert str(caught.value) == (
            f"{found['name']} 0.1.9 is installed, and the adapter {adapter.name!r} is for {found['oldest']} "
            f"and newer: pip install '{need}'"
        )


@each_library
def test_a_library_that_is_not_there(adapter, installed, monkeypatch):
    monkeypatch.setattr(needs, "find_spec", lambda _name: None)
    with pytest.raises(AdapterError, match="which is not installed") as caught:
        registry._factory(adapter)
    assert str(caught.value).endswith(f'pip install "pytest-jobqueue[{adapter.name}]"')


@each_library
def test_the_extra_of_its_name_asks_for_the_same(adapter):
    tomllib = pytest.importorskip("tomllib")
    extras = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert [need.partition(";")[0].strip() for need in extras[adapter.name]] == list(needs_of(adapter))


@each_library
def test_what_it_declares_is_there_without_the_library(adapter, monkeypatch):
    module = adapter.factory.partition(":")[0]
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, adapter.name, None)
    declared = importlib.import_module(module)
    assert declared.CAPS.retries
    for cap in getattr(declared, "CAPS_IF", {}):
        assert getattr(declared.CAPS, cap)


@pytest.mark.parametrize("version", ["2", "2.0", "2.0.0", "2.0rc1", "2.1.dev3+local", "3", "10.0"])
def test_a_version_that_is_new_enough(installed, version):
    installed["rq"] = version
    needs.check("rq", ["rq>=2.0"])


@pytest.mark.parametrize("version", ["1.16.2", "1", "0.99.99", "1.99rc1"])
def test_one_that_is_not(installed, version):
    installed["rq"] = version
    with pytest.raises(AdapterError, match=f"^rq {version} is installed"):
        needs.check("rq", ["rq>=2.0"])


def test_a_copy_without_metadata_is_taken_as_it_is(installed):
    needs.check("ours", ["pytest-jobqueue>=99.0"])


def test_a_need_that_cannot_be_read():
    with pytest.raises(AdapterError, match="'ours' needs 'rq<3'; write it as name>=1.0"):
        needs.check("ours", ["rq<3"])


def test_versions_are_read_once(monkeypatch):
    monkeypatch.setattr(needs, "version", lambda _name: pytest.fail("read again"))
    needs.installed_version.cache_clear()
    with pytest.raises(pytest.fail.Exception):
        needs.installed_version("redis")
    monkeypatch.undo()
    assert needs.installed_version("redis") is needs.installed_version("redis") is not None
    assert needs.installed_version("no-such-distribution") is None
