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


def celery_app():
    return pytest.importorskip("celery").Celery("shop", broker="redis://redis.invalid", set_as_current=False)


def a_task_of_celery():
    return celery_app().task(name="nothing", shared=False)(a_job)


def a_task_of_huey():
    return pytest.importorskip("huey").MemoryHuey().task()(a_job)


def an_actor():
    dramatiq = pytest.importorskip("dramatiq")
    broker = pytest.importorskip("dramatiq.brokers.stub").StubBroker()
    return dramatiq.actor(a_job, broker=broker, actor_name="nothing")


def a_task_of_taskiq():
    return pytest.importorskip("taskiq").InMemoryBroker().task(task_name="nothing")(a_job)


def a_task_of_streaq():
    return pytest.importorskip("streaq").Worker().task(name="nothing")(a_coroutine)


def a_job():
    pass


async def a_coroutine():
    pass


def a_worker_of_rq():
    queue = rq_queue()
    return pytest.importorskip("rq").SimpleWorker(
        [queue], connection=queue.connection, prepare_for_work=False
    )


def rq_queue():
    return pytest.importorskip("rq").Queue(connection=pytest.importorskip("redis").Redis("redis.invalid"))


def a_worker_of_saq():
    saq = pytest.importorskip("saq")
    return saq.Worker(saq.Queue.from_url("redis://redis.invalid"), functions=[a_coroutine])


class WorkerSettings:
    functions = (len,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (a_task_of_celery, "a Celery task: did you mean its application, `task.app`?"),
        (
            lambda: a_task_of_celery().app.tasks["nothing"],
            "a Celery task: did you mean its application, `task.app`?",
        ),
        (
            lambda: celery_app().signature("add"),
            "a signature of Celery: did you mean its application, `signature.app`?",
        ),
        (
            lambda: celery_app().conf,
            "the configuration of a Celery application: did you mean the application?",
        ),
        (lambda: type(celery_app()), "the class Celery: did you mean an instance of it?"),
        (
            lambda: celery_app().control,
            "something of Celery: give a Celery(…), the application that has the tasks",
        ),
        (lambda: pytest.importorskip("celery"), "something of Celery: give a Celery(…), the application"),
        (a_worker_of_rq, "a worker of RQ: did you mean its queues, `worker.queues`?"),
        (lambda: type(a_worker_of_rq()), "a worker of RQ: did you mean its queues, `worker.queues`?"),
        (lambda: rq_queue().failed_job_registry, "something of RQ: give a Queue, or a list of them in the"),
        (lambda: type(rq_queue()), "the class Queue: did you mean an instance of it?"),
        (an_actor, "an actor of Dramatiq: did you mean its broker, `actor.broker`?"),
        (lambda: an_actor().message(), "something of Dramatiq: give the broker that has the actors"),
        (a_task_of_huey, "a task of Huey: did you mean its application, `task.huey`?"),
        (
            lambda: a_task_of_huey().huey.create_consumer(),
            "a consumer of Huey: did you mean its application, `consumer.huey`?",
        ),
        (lambda: a_task_of_huey().s([]), "something of Huey: give the Huey(…) that has the tasks"),
        (WorkerSettings, "an instance: did you mean the class itself, WorkerSettings?"),
        (
            lambda: pytest.importorskip("arq.connections").RedisSettings(),
            "something of arq: give the WorkerSettings class",
        ),
        (a_worker_of_saq, "a worker of SAQ: did you mean its settings, or its queue, `worker.queue`?"),
        (
            lambda: pytest.importorskip("saq").CronJob(a_coroutine, cron="* * * * *"),
            "something of SAQ: give the worker's settings, or its queue",
        ),
        (
            lambda: object.__new__(pytest.importorskip("bullmq").Queue),
            "something of BullMQ: give a dict of the queue's name and the processor, {",
        ),
        (a_task_of_taskiq, "a task of Taskiq: did you mean its broker, `task.broker`?"),
        (lambda: a_task_of_taskiq().kicker(), "something of Taskiq: give the broker that has the tasks, or"),
        (a_task_of_streaq, "a task of streaQ: did you mean its worker, `task.worker`?"),
        (lambda: pytest.importorskip("streaq.types"), "something of streaQ: give the Worker(…) that has the"),
    ],
    ids=[
        "a task of Celery",
        "a registered task of Celery",
        "a signature",
        "a configuration",
        "the class Celery",
        "remote control",
        "the module celery",
        "a worker of RQ",
        "the class of a worker of RQ",
        "a registry of RQ",
        "the class Queue",
        "an actor",
        "a message",
        "a task of Huey",
        "a consumer",
        "a task's call",
        "an instance of WorkerSettings",
        "settings of a connection",
        "a worker of SAQ",
        "a cron job of SAQ",
        "a queue of BullMQ",
        "a task of Taskiq",
        "a kicker",
        "a task of streaQ",
        "a module of streaQ",
    ],
)
def test_what_stands_beside_an_application_is_told_from_it(make, message):
    app = make()
    with pytest.raises(AdapterError) as caught:
        bind(app, "redis://h/0", SETTINGS)
    kind = f"{type(app).__module__}.{type(app).__qualname__}"
    assert str(caught.value).startswith(f"no adapter is for an application of type {kind}; that is {message}")


def test_an_application_of_an_announced_adapter_is_not_taken_for_something_else(announced, monkeypatch):
    announced.append(entry("ours", "OURS"))
    monkeypatch.setitem(registry.MEANT, f"{__name__}.App", "a mistake")
    assert bind(App(), "redis://h/0", SETTINGS)


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
