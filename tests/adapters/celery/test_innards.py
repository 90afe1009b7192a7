"""The undocumented names that the adapter uses: this breaks when one of them moves."""

from __future__ import annotations

import pytest

celery = pytest.importorskip("celery")

# Celery's result backend calls what redis-py 8 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
from celery import _state
from celery.app.base import Celery
from celery.app.task import Task
from celery.backends.redis import ResultConsumer
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu.transport.redis import Channel
from kombu.utils.scheduling import round_robin_cycle

from pytest_jobqueue.adapters.celery.innards import Intake, Tracers, current


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (Channel, ("_q_for_pri", "_lookup", "priority_steps", "queue_order_strategy", "global_keyprefix")),
        (Channel, ("unacked_key", "unacked_index_key", "visibility_timeout", "keyprefix_queue", "get_table")),
        (Channel, ("do_restore", "subclient", "qos")),
        (Celery, ("_local", "_pool", "_backend", "_acquire_connection")),
        (Task, ("__trace__", "start_strategy", "Strategy")),
        (ResultConsumer, ("_pubsub", "stop")),
        (
            Consumer,
            ("create_task_handler", "apply_eta_task", "on_decode_error", "perform_pending_operations"),
        ),
        (Consumer, ("_limit_task", "_limit_post_eta", "Strategies", "Blueprint")),
        (state, ("requests", "revoked", "revoked_stamps", "successful_requests", "total_count")),
        (state, ("all_total_count",)),
        (_state._tls, ("current_app",)),
        (round_robin_cycle, ("consume", "rotate", "update")),
    ],
)
def test_they_are_there(owner, names):
    assert [name for name in names if not hasattr(owner, name)] == []


def test_an_application_has_them(app):
    assert app._backend_cache is None
    assert app.use_fast_trace_task is False
    assert app.amqp._producer_pool is None


def test_the_current_application_is_put_back_even_if_there_was_none(app):
    import threading

    seen = []

    def in_a_thread():
        with current(app):
            seen.append(_state._tls.current_app)
        seen.append(_state._tls.current_app)

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    assert seen == [app, None]


@pytest.mark.parametrize("before", [None, "a tracer of a worker"])
def test_a_tracer_is_built_once_and_not_left_behind(app, before):
    task = app.tasks["add"]
    tracers = Tracers(app)
    if before:
        task.__trace__ = before
    with tracers.of(task):
        assert task.__trace__ is None
        task.__trace__ = "built"
    assert task.__trace__ == before
    with tracers.of(task):
        assert task.__trace__ == "built"
    assert task.__trace__ == before


@pytest.mark.parametrize("part", Tracers._PARTS)
def test_and_anew_when_a_part_of_the_task_is_patched(app, part, monkeypatch):
    task = app.tasks["add"]
    tracers = Tracers(app)
    with tracers.of(task):
        task.__trace__ = "built"
    with monkeypatch.context() as patch:
        patch.setattr(task, part, len)
        with tracers.of(task):
            assert task.__trace__ is None
    with monkeypatch.context() as patch:
        patch.setattr(type(task), part, len)
        with tracers.of(task):
            assert task.__trace__ is None


def test_steps_of_the_application_are_left_out_of_the_intake(app):
    from celery import bootsteps

    class Step(bootsteps.StartStopStep):
        def __init__(self, parent, **kwargs):
            raise AssertionError("made")

    app.steps["consumer"].add(Step)
    intake = Intake(app, "here", None, on_request=None, on_undecodable=None)
    assert intake.steps == []
