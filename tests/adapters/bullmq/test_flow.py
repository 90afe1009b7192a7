"""Parents wait for their children, and get what these returned."""

from __future__ import annotations

import pytest

bullmq = pytest.importorskip("bullmq")


@pytest.fixture
def add_flow(jobqueue):
    flow = jobqueue.run(_made(jobqueue.url))
    yield lambda node: jobqueue.run(flow.add(node))
    jobqueue.run(flow.close())


async def _made(url):
    return bullmq.FlowProducer({"connection": url})


def node(name, data, *children, queue="first", **opts):
    return {"name": name, "queueName": queue, "data": data, "opts": opts, "children": list(children)}


@pytest.fixture
def total(service):
    async def total(job, token):
        return sum((await job.getChildrenValues()).values())

    service.handlers["total"] = total


def test_a_parent_runs_after_its_children(jobqueue, add_flow, total):
    add_flow(node("total", {}, node("add", [1, 2]), node("add", [3, 4], queue="second")))
    assert [job.name for job in jobqueue.binding.waiting()] == ["total"]
    assert [job.name for job in jobqueue.binding.pending()] == ["add", "add"]
    assert jobqueue.worker.drain().results == [3, 7, 10]
    jobqueue.assert_idle()


def test_a_child_that_fails_leaves_its_parent_waiting(jobqueue, add_flow, total):
    add_flow(node("total", {}, node("boom", "no"), node("add", [3, 4])))
    drained = jobqueue.worker.drain(on_error="record")
    assert sorted(outcome.status for outcome in drained) == ["failed", "ok"]
    assert [job.name for job in jobqueue.binding.waiting()] == ["total"]


def test_or_it_fails_its_parent(jobqueue, add_flow, total):
    add_flow(node("total", {}, node("boom", "no", failParentOnFailure=True)))
    drained = jobqueue.worker.drain(on_error="record")
    assert [(outcome.job.name, outcome.status) for outcome in drained] == [
        ("boom", "failed"),
        ("total", "failed"),
    ]
    assert isinstance(drained[1].exception, bullmq.UnrecoverableError)
    assert "child" in str(drained[1].exception)
    assert drained[1].job.name == "total"


def test_a_job_that_waits_for_children_that_it_makes_itself(jobqueue, queue, service):
    async def parent(job, token):
        if job.data == "begin":
            await job.updateData("end")
            await queue.add("add", [1, 2], {"parent": {"id": job.id, "queue": job.queueQualifiedName}})
            if await job.moveToWaitingChildren(token, {}):
                raise bullmq.WaitingChildrenError
        return list((await job.getChildrenValues()).values())

    service.handlers["parent"] = parent
    jobqueue.producer.enqueue("parent", "begin")
    outcomes = jobqueue.worker.drain()
    assert [(outcome.job.name, outcome.status) for outcome in outcomes] == [
        ("parent", "retrying"),
        ("add", "ok"),
        ("parent", "ok"),
    ]
    assert outcomes[2].result == [3]
