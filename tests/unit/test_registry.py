"""From an application object to its adapter: which is chosen, and how each mistake is told."""

from __future__ import annotations

import collections
import importlib.metadata
import types

import pytest

from pytest_jobqueue import registry
from pytest_jobqueue.errors import AdapterError, UsageError
from pytest_jobqueue.handlers import Handlers
from pytest_jobqueue.registry import ADAPTERS, GROUP, Adapter, bind, check_settings
from pytest_jobqueue.settings import Settings

SETTINGS = Settings()


class App:
    """An application of a library that nobody here knows."""

    def __repr__(self):
        return "<App>"


class Special(App):
    pass


def binder(*arguments):
    return arguments


OURS = Adapter("ours", (f"{__name__}.App",), f"{__name__}:binder")


@pytest.fixture
def announced(monkeypatch):
    """What other distributions announce; a list to fill."""
    found = []
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found if group == GROUP else [])
    monkeypatch.setitem(__import__("sys").modules, __name__, types.ModuleType(__name__))
    module = __import__("sys").modules[__name__]
    module.binder, module.OURS, module.App = binder, OURS, App
    return found


def entry(name, attribute, group=GROUP):
    return importlib.metadata.EntryPoint(name, f"{__name__}:{attribute}", group)


@pytest.mark.parametrize(
    "app",
    [None, {}, Handlers(), collections.OrderedDict(), types.MappingProxyType({})],
    ids=lambda app: type(app).__name__,
)
def test_handlers_and_dicts_are_for_the_built_in_adapter(app):
    binding = bind(app, "redis://127.0.0.1:1/0", SETTINGS)
    try:
        assert type(binding).__module__.startswith("pytest_jobqueue.adapters.sidekiq")
    finally:
        binding.close()


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_every_adapter_in_the_table_can_be_loaded_or_says_what_to_install(adapter):
    try:
        assert callable(registry._factory(adapter))
    except AdapterError as error:
        assert str(error).endswith(f'which is not installed: pip install "pytest-jobqueue[{adapter.name}]"')  # noqa: PT017 (either is right)


def test_an_announced_adapter_is_chosen_by_the_type_or_a_base(announced):
    announced.append(entry("ours", "OURS"))
    app = Special()
    assert bind(app, "redis://h/0", SETTINGS) == (app, "redis://h/0", SETTINGS)


def test_an_announced_adapter_is_not_looked_for_where_one_of_ours_fits(monkeypatch):
    monkeypatch.setattr(registry, "_installed", lambda: pytest.fail("looked"))
    bind({}, "redis://127.0.0.1:1/0", SETTINGS).close()


def test_an_application_that_nobody_knows_is_told_what_there_is(announced):
    announced.append(entry("ours", "OURS"))
    with pytest.raises(AdapterError) as caught:
        bind(7, "redis://h/0", SETTINGS)
    assert str(caught.value) == (
        "no adapter is for an application of type builtins.int: 7. There are adapters for "
        f"{', '.join(adapter.name for adapter in ADAPTERS)}, ours; give an application of one of these as "
        "jobqueue_app, or install an adapter that announces itself in the entry points "
        "'pytest_jobqueue.adapters'."
    )


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("missing", "cannot be loaded: AttributeError: module {0!r} has no attribute 'missing'"),
        ("binder", "is {1!r}; it must be a pytest_jobqueue.registry.Adapter"),
    ],
)
def test_an_announcement_that_cannot_be_is_told_by_name(announced, attribute, message):
    announced.append(entry("ours", attribute))
    with pytest.raises(AdapterError) as caught:
        bind(App(), "redis://h/0", SETTINGS)
    assert str(caught.value) == (
        f"the adapter 'ours' ({__name__}:{attribute}) " + message.format(__name__, binder)
    )


# Settings


def test_settings_are_checked():
    settings = Settings(seed=3)
    assert check_settings(settings) is settings
    with pytest.raises(UsageError) as caught:
        check_settings({"seed": 3})
    text = str(caught.value)
    assert text.startswith(
        "the fixture jobqueue_settings returned {'seed': 3}; return pytest_jobqueue.Settings(…)"
    )
    assert all(name in text for name in Settings.__dataclass_fields__)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"queues": "mail"}, "queues is 'mail'; it is a sequence of names, such as ('mail',)"),
        ({"queues": ()}, "queues is empty, so no job would ever run; leave it out for all queues"),
        ({"on_error": "log"}, "on_error is 'log'; it can be 'raise' or 'record'"),
    ],
)
def test_settings_that_cannot_be_are_refused(fields, message):
    with pytest.raises(UsageError) as caught:
        Settings(**fields)
    assert str(caught.value) == message
