"""A task runs as Taskiq's receiver runs it: dependencies, middlewares, events, results, time limits."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import pytest

pytest.importorskip("taskiq_redis")

from taskiq import Context, TaskiqDepends, TaskiqEvents, TaskiqMiddleware, TaskiqState


def test_a_coroutine_runs_here(jobqueue, broker):
    @broker.task("where")
    async def where():
        await asyncio.sleep(0)
        return threading.get_ident()

    jobqueue.producer.enqueue("where")
    assert jobqueue.worker.drain().results == [threading.get_ident()]


def test_what_the_service_sends_is_seen_and_run(jobqueue, broker):
    @broker.task("add")
    async def add(left: int, right: int):
        return left + right

    task = jobqueue.run(add.kiq(2, right=3))

    (job,) = jobqueue.binding.pending()
    assert (job.id, job.name, job.args, job.kwargs, job.attempts) == (
        task.task_id,
        "add",
        (2,),
        {"right": 3},
        0,
    )
    assert jobqueue.worker.drain().results == [5]


def test_a_job_sends_another(jobqueue, broker):
    seen = []

    @broker.task("parent")
    async def parent():
        await child.kiq()

    @broker.task("child")
    async def child():
        seen.append("child")

    jobqueue.producer.enqueue("parent")
    assert [outcome.status for outcome in jobqueue.worker.drain()] == ["ok", "ok"]
    assert seen == ["child"]


def test_the_result_is_kept_where_the_service_looks(jobqueue, broker):
    @broker.task("double")
    async def double(number: int):
        return number * 2

    task = jobqueue.run(double.kiq(21))
    jobqueue.worker.drain()

    assert jobqueue.run(task.wait_result(timeout=5)).return_value == 42
    assert jobqueue.binding.caps.results


def test_the_error_is_kept_there_too(jobqueue, broker):
    @broker.task("boom")
    async def boom():
        raise LookupError("no such order")

    task = jobqueue.run(boom.kiq())
    with pytest.raises(LookupError, match="no such order") as caught:
        jobqueue.worker.drain()

    assert caught.traceback[-1].name == "boom"
    assert jobqueue.run(task.wait_result(timeout=5)).is_err


@pytest.mark.filterwarnings("ignore:the .type, exc, tb. signature:DeprecationWarning")  # taskiq-dependencies
def test_dependencies_are_resolved_and_closed(jobqueue, broker):
    trace = []

    async def database():
        trace.append("opened")
        try:
            yield "db"
        except ValueError:
            trace.append("rolled back")
            raise
        finally:
            trace.append("closed")

    @broker.task("use")
    async def use(fail: bool, db: str = TaskiqDepends(database), context: Context = TaskiqDepends()):
        trace.append((db, context.message.task_name))
        if fail:
            raise ValueError("no")

    jobqueue.producer.enqueue_many("use", [(False,), (True,)])
    with contextlib.suppress(ValueError):
        jobqueue.worker.drain()
    assert trace == ["opened", ("db", "use"), "closed", "opened", ("db", "use"), "rolled back", "closed"]


def test_a_dependency_that_raises_fails_the_job(jobqueue, broker):
    def broken():
        raise OSError("no database")

    @broker.task("use")
    async def use(db: str = TaskiqDepends(broken)):
        raise AssertionError("it must not run")

    jobqueue.producer.enqueue("use")
    with pytest.raises(OSError, match="no database"):
        jobqueue.worker.drain()


def test_dependency_overrides_of_a_test_apply(jobqueue, broker):
    def real():
        return "real"

    @broker.task("use")
    async def use(value: str = TaskiqDepends(real)):
        return value

    broker.dependency_overrides[real] = lambda: "fake"
    jobqueue.producer.enqueue("use")
    assert jobqueue.worker.drain().results == ["fake"]


class Noting(TaskiqMiddleware):
    def __init__(self):
        super().__init__()
        self.trace = []

    def startup(self):
        self.trace.append("startup")

    def shutdown(self):
        self.trace.append("shutdown")

    async def pre_send(self, message):
        self.trace.append("pre_send")
        message.labels["trace_id"] = "t-1"
        return message

    def post_send(self, message):
        self.trace.append("post_send")

    async def pre_execute(self, message):
        self.trace.append(f"pre_execute {message.labels['trace_id']}")
        return message

    def post_execute(self, message, result):
        self.trace.append("post_execute")

    async def post_save(self, message, result):
        self.trace.append("post_save")


class TestMiddleware:
    @pytest.fixture
    def noting(self):
        return Noting()

    @pytest.fixture
    def jobqueue_app(self, broker, noting):
        broker.add_middlewares(noting)
        return broker

    def test_the_services_own_runs_as_in_production(self, jobqueue, broker, noting):
        broker.register_task(lambda: None, "nothing")
        jobqueue.producer.enqueue("nothing")
        jobqueue.worker.drain()
        jobqueue.close()
        assert noting.trace == [
            *("pre_send", "post_send", "startup"),
            *("pre_execute t-1", "post_execute", "post_save", "shutdown"),
        ]

    def test_one_that_raises_fails_the_job(self, jobqueue, broker, noting, monkeypatch):
        def refuse(message):
            raise PermissionError("not you")

        broker.register_task(lambda: None, "nothing")
        monkeypatch.setattr(Noting, "pre_execute", lambda self, message: refuse(message))
        jobqueue.producer.enqueue("nothing")
        (outcome,) = jobqueue.worker.drain(on_error="record")
        assert isinstance(outcome.exception, PermissionError)
        # The receiver of a stream's worker never acknowledges such a message.
        assert outcome.status == ("retrying" if jobqueue.binding.caps.acks else "failed")
        assert len(jobqueue.binding.running()) == jobqueue.binding.caps.acks


def test_events_of_a_worker_come_once_and_a_job_sees_its_state(jobqueue, broker):
    trace = []

    @broker.on_event(TaskiqEvents.WORKER_STARTUP)
    async def up(state: TaskiqState):
        trace.append("up")
        state.model = "loaded"

    @broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
    def down(state: TaskiqState):
        trace.append("down")

    @broker.on_event(TaskiqEvents.CLIENT_STARTUP, TaskiqEvents.CLIENT_SHUTDOWN)
    def not_ours(state: TaskiqState):
        trace.append("client")

    @broker.task("use")
    async def use(context: Context = TaskiqDepends()):
        trace.append(f"{context.state.model} {broker.is_worker_process}")

    jobqueue.producer.enqueue_many("use", [(), ()])
    assert trace == []
    jobqueue.worker.drain()
    jobqueue.worker.drain()
    assert not broker.is_worker_process
    jobqueue.close()
    assert trace == ["up", "loaded True", "loaded True", "down"]
    assert "model" not in broker.state


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, pytest.fail.Exception])
@pytest.mark.parametrize("asynchronous", [True, False])
def test_what_is_no_exception_reaches_the_test(jobqueue, broker, kind, asynchronous):
    def raising():
        raise kind("stop")

    async def raising_too():
        raising()

    broker.register_task(raising_too if asynchronous else raising, "raising")
    jobqueue.producer.enqueue("raising")
    with pytest.raises(kind, match="stop"):
        jobqueue.worker.drain(on_error="record")
    assert jobqueue.worker.drain() == []


def test_a_coroutine_that_takes_too_long(jobqueue, broker):
    @broker.task("slow", timeout=0.02)
    async def slow():
        await asyncio.sleep(30)

    jobqueue.producer.enqueue("slow")
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        jobqueue.worker.drain()


def test_a_function_that_takes_too_long(jobqueue, broker):
    ticks = []

    @broker.task("slow", timeout=0.05)
    def slow():
        while True:
            ticks.append(time.monotonic())

    jobqueue.producer.enqueue("slow")
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        jobqueue.worker.drain()
    assert ticks


def test_the_limit_of_one_job_is_not_the_next_ones(jobqueue, broker):
    @broker.task("either")
    def either():
        return "done"

    jobqueue.producer.set(timeout=1e-9).enqueue("either")
    jobqueue.producer.enqueue("either")
    outcomes = jobqueue.worker.drain(on_error="record")
    assert outcomes[-1].result == "done"


def test_a_message_for_an_unknown_task_is_dropped(jobqueue, broker):
    @broker.task("known")
    async def known():
        return None

    other = type(broker)("redis://nowhere.invalid:6399/0")
    gone = other.register_task(lambda: None, "gone")
    jobqueue.run(gone.kicker().with_broker(broker).kiq())

    (outcome,) = jobqueue.worker.drain()

    assert (outcome.status, outcome.job.name) == ("dropped", "gone")
    assert outcome.reason == "the broker has no task 'gone' (registered: known)"


def test_what_is_no_message_is_dropped(jobqueue, broker):
    if jobqueue.binding.caps.acks:
        jobqueue.redis.xadd("taskiq", {b"data": b"\x80nonsense"})
    else:
        jobqueue.redis.lpush("taskiq", b"\x80nonsense")
    assert jobqueue.binding.pending()[0].raw == b"\x80nonsense"
    (outcome,) = jobqueue.worker.drain()
    assert (outcome.status, outcome.reason) == ("dropped", "the broker's formatter cannot read it")


def test_models_arrive_as_models(jobqueue, broker):
    pydantic = pytest.importorskip("pydantic")

    class Order(pydantic.BaseModel):
        number: int

    def take(order):
        return type(order).__name__, order.number

    take.__annotations__["order"] = Order
    broker.register_task(take, "take")
    jobqueue.producer.enqueue("take", Order(number=7))
    assert jobqueue.binding.pending()[0].args == ({"number": 7},)
    assert jobqueue.worker.drain().results == [("Order", 7)]


def test_another_serialiser_is_used_for_looking_too(jobqueue, broker):
    from taskiq.serializers import PickleSerializer

    broker.with_serializer(PickleSerializer())
    broker.register_task(lambda items: len(items), "size")
    jobqueue.producer.enqueue("size", [1, 2])
    assert jobqueue.binding.pending()[0].args == ([1, 2],)
    assert jobqueue.worker.drain().results == [2]


def test_a_result_that_cannot_be_saved_is_told(jobqueue, broker):
    @broker.task("odd")
    async def odd():
        return object()

    task = jobqueue.run(odd.kiq())
    (outcome,) = jobqueue.worker.drain()
    assert outcome.status == "ok"
    assert "its result could not be saved: " in outcome.reason
    assert not jobqueue.run(task.is_ready())
