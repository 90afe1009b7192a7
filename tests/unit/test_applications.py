"""From what a project says to its one application, and how each mistake is told."""

from __future__ import annotations

import sys
import types

import pytest

from pytest_jobqueue import JobQueue, UsageError
from pytest_jobqueue.applications import led, load_app, one_app
from pytest_jobqueue.handlers import Handlers


def stand_in(module, name):
    """A class that is known by its name alone, as the adapters' table does."""
    return type(name, (), {"__module__": module, "__qualname__": name, "__repr__": lambda _: f"<{name}>"})


Celery = stand_in("celery.app.base", "Celery")
Queue = stand_in("rq.queue", "Queue")
Huey = stand_in("huey.api", "Huey")
SaqQueue = stand_in("saq.queue.base", "Queue")
Broker = stand_in("taskiq.abc.broker", "AsyncBroker")
Scheduler = stand_in("taskiq.scheduler.scheduler", "TaskiqScheduler")


class Proxy:
    """What answers only in a context that is not there."""

    def __getattribute__(self, name):
        raise RuntimeError("outside of the context")


# The path of an object


@pytest.fixture
def service(tmp_path, monkeypatch):
    """A package with an application, on the import path for this test."""
    name = f"service_{tmp_path.name.replace('-', '_')}"
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text("handlers = {}\nclass Box:\n    handlers = handlers\n")
    (package / "broken.py").write_text("import json, no_such_library\n")
    (package / "wrong.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def refusal(path):
    with pytest.raises(UsageError) as caught:
        load_app(path)
    return str(caught.value)


def test_an_application_is_imported(service):
    app = load_app(f"{service}:handlers")
    assert app == {}
    assert load_app(f"{service}:Box.handlers") is app


@pytest.mark.parametrize("path", ["", ":", "service:", ":handlers"])
def test_a_path_of_another_shape_is_refused(path):
    assert refusal(path) == (
        f"jobqueue_app is {path!r}; write it as module:attribute, e.g. my_service.jobs:handlers"
    )


def test_a_name_that_is_missing_is_told_with_the_nearest(service):
    assert refusal(f"{service}:handler") == (
        f"jobqueue_app is '{service}:handler', but {service} has no 'handler'; did you mean "
        f"{service}:handlers?"
    )
    assert refusal(f"{service}:Box.handlesr") == (
        f"jobqueue_app is '{service}:Box.handlesr', but {service}:Box has no 'handlesr'; did you mean "
        f"{service}:Box.handlers?"
    )
    assert refusal(f"{service}:zzz") == f"jobqueue_app is '{service}:zzz', but {service} has no 'zzz'"


def test_a_module_that_is_missing_is_told_from_one_that_fails(service):
    hint = "; is its folder on the import path (pythonpath = …)?"
    assert refusal("no_such_service.jobs:app") == (
        "jobqueue_app is 'no_such_service.jobs:app', but no_such_service.jobs cannot be imported: "
        f"ModuleNotFoundError: No module named 'no_such_service'{hint}"
    )
    assert refusal(f"{service}.jobs:app") == (
        f"jobqueue_app is '{service}.jobs:app', but {service}.jobs cannot be imported: "
        f"ModuleNotFoundError: No module named '{service}.jobs'{hint}"
    )
    assert refusal(f"{service}.broken:app") == (
        f"jobqueue_app is '{service}.broken:app', but {service}.broken cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_library' (broken.py:1)"
    )
    assert refusal(f"{service}.wrong:app") == (
        f"jobqueue_app is '{service}.wrong:app', but {service}.wrong cannot be imported: "
        "ZeroDivisionError: division by zero (wrong.py:1)"
    )


def test_a_point_for_a_colon_is_told(service):
    assert refusal(f"{service}.handlers") == (
        f"jobqueue_app is '{service}.handlers', but {service}.handlers cannot be imported: "
        f"ModuleNotFoundError: No module named '{service}.handlers'; did you mean {service}:handlers?"
    )


# The path of a module


@pytest.fixture
def module(monkeypatch):
    """A module with these names in it, to be imported."""

    def make(name="shop", **names):
        made = types.ModuleType(name)
        vars(made).update(names)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    return make


def test_the_one_application_of_a_module(module):
    app = Celery()
    module(celery_app=app, celery=app, Celery=Celery, sys=sys, NAME="django_rq", TABLE={"a": len}, g=Proxy())
    assert load_app("shop") is app


def test_handlers_are_an_application_and_a_dict_is_none(module):
    handlers = Handlers({"Add": len})
    module(handlers=handlers, others={"Add": len})
    assert load_app("shop") is handlers


def test_what_is_part_of_another_one_gives_way(module):
    high, low, queue, broker = Queue(), Queue(), SaqQueue(), Broker()
    scheduler = Scheduler()
    scheduler.broker = broker
    queues = [high, low]
    settings = {"queue": queue, "functions": []}
    for names, wanted in [
        ({"high": high, "low": low, "queues": queues}, queues),
        ({"queue": queue, "settings": settings}, settings),
        ({"broker": broker, "scheduler": scheduler}, scheduler),
    ]:
        module(**names)
        assert load_app("shop") is wanted


def test_several_queues_of_rq_are_one_application_in_their_order(module):
    high, low = Queue(), Queue()
    module(high=high, low=low, again=high)
    assert load_app("shop") == [high, low]


def test_classes_and_dicts_that_libraries_take_for_settings(module):
    class WorkerSettings:
        functions = ()

    module(WorkerSettings=WorkerSettings)
    assert load_app("shop") is WorkerSettings
    first, second = ({"queue": name, "processor": len} for name in "ab")
    module(first=first, second=second)
    assert load_app("shop") == [first, second]


def test_a_module_that_stands_for_the_application_itself(module):
    made = module("django_rq", queue=Queue())
    assert load_app("django_rq") is made


def test_several_are_named(module):
    module(app=Celery(), tasks=Huey(), huey=[])
    assert refusal("shop") == (
        "jobqueue_app is 'shop', and that module has 2 applications; name one of them:\n"
        "  shop:app (celery)\n  shop:tasks (huey)"
    )


@pytest.mark.parametrize(
    "names",
    [
        {"one": Celery(), "two": Celery()},
        {"queues": [Queue()], "other": Queue()},
        {"a": [Queue()], "b": [Queue()]},
    ],
    ids=["two of Celery", "a list and a queue that is not in it", "two lists"],
)
def test_several_of_one_library_are_several(module, names):
    module(**names)
    assert "that module has 2 applications; name one of them:\n  shop:" in refusal("shop")


def test_none_is_told_with_those_below(module):
    module(tasks={})
    assert refusal("shop") == (
        "jobqueue_app is 'shop', and that module has no application that an adapter is for; name the object "
        "as module:attribute"
    )
    module("shop.celery", app=Celery())
    module("shop.jobs", queue=Queue())
    assert refusal("shop") == (
        "jobqueue_app is 'shop', and that module has no application that an adapter is for; below it there "
        "is:\n  shop.celery:app (celery)\n  shop.jobs:queue (rq)"
    )


def test_a_path_does_where_an_application_does(module, jobqueue_server):
    handlers = Handlers({"Add": lambda a, b: a + b})
    module(handlers=handlers)
    jobqueue_server.reset()
    for path in ("shop", "shop:handlers"):
        with JobQueue(path, jobqueue_server) as jobqueue:
            jobqueue.producer.enqueue("Add", 1, 2)
            assert jobqueue.worker.drain().results == [3]


# Two at once


@pytest.mark.parametrize(
    ("apps", "names"),
    [
        ([Celery(), Queue()], "a list of applications for celery, rq"),
        ((Celery(), Celery()), "a tuple of applications for celery, celery"),
        ([Huey()], "a list of applications for huey"),
        ([Queue(), {"queue": "a", "processor": len}], "a list of applications for rq, bullmq"),
    ],
    ids=["of two libraries", "of one library", "of one", "of two that take lists"],
)
def test_two_in_a_list(apps, names):
    with pytest.raises(UsageError) as caught:
        one_app(apps)
    assert str(caught.value) == (
        f"jobqueue_app is {names}, and a JobQueue has one: give it that one, and each other a JobQueue "
        "of its own on the same Redis (with pytest_jobqueue.JobQueue(other, jobqueue.server) as second: …)"
    )


@pytest.mark.parametrize("app", [[], [Queue(), Queue()], {}, 7], ids=str)
def test_what_is_one_or_is_told_elsewhere_stays(app):
    assert one_app(app) is app


@pytest.mark.parametrize(
    "make",
    [
        lambda app: (app, app),
        lambda app: ([app], app),
        lambda app: ([app], [Queue(), app]),
        lambda app: (types.ModuleType("django_rq"),) * 2,
        lambda app: (Proxy,) * 2,
    ],
    ids=["itself", "and in a list", "in two lists", "a module", "of a library that nobody here knows"],
)
def test_one_in_two_harnesses(make):
    first, second = make(Queue())
    with led(first, "redis://one"):
        with pytest.raises(UsageError) as caught, led(second, "redis://two"):
            pass
        assert str(caught.value).startswith("the application (")
        assert str(caught.value).endswith(
            ") is in another JobQueue already, which leads it to redis://one; use that one's producer and "
            "worker (in a test, the fixture jobqueue), or close it first"
        )
        with led(Queue(), "redis://two"):
            pass
    with led(second, "redis://two"):
        pass


@pytest.mark.parametrize("app", [{}, {"Add": len}, Handlers()], ids=["empty", "dict", "handlers"])
def test_what_is_not_changed_can_be_in_two(app):
    with led(app, "redis://one"), led(app, "redis://two"):
        pass
