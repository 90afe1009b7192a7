"""Workers that die with a job in their hands."""

from __future__ import annotations

from pytest_jobqueue.job import Call

IN_PROGRESS = "queue:default:1:inprogress"


def test_an_abandoned_job_is_recovered_and_run_in_place(bind, look):
    dead = bind()
    job = dead.enqueue(Call("Add", (1, 2)))
    assert dead.abandon_next() == job
    assert look.lrange(IN_PROGRESS, 0, -1) == [job.raw.decode()]
    binding = bind()
    assert binding.caps.acks
    assert (binding.pending(), binding.running()) == ([], [job])
    assert binding.recover() == 1
    assert (binding.pending(), binding.running()) == ([job], [])
    assert look.lrange(IN_PROGRESS, 0, -1) == [job.raw.decode()]
    assert binding.run_next().result == 3
    assert not look.exists(IN_PROGRESS)
    assert (binding.recover(), binding.run_next()) == (0, None)


def test_recovered_jobs_come_first_newest_first(bind):
    binding = bind()
    jobs = binding.enqueue_many([Call("Add", (number, 0)) for number in range(3)])
    binding.abandon_next()
    binding.abandon_next()
    assert binding.recover() == binding.recover() == 2
    assert [job.id for job in binding.pending()] == [jobs[1].id, jobs[0].id, jobs[2].id]
    assert [binding.run_next().result for _ in range(3)] == [1, 0, 2]


def test_one_queue_can_be_asked_for(bind):
    binding = bind()
    for queue in ("a", "b"):
        binding.enqueue(Call("Add", (1, 2), queue=queue))
        binding.abandon_next(queue)
    assert binding.recover() == 2
    assert [job.queue for job in binding.pending("b")] == ["b"]
    assert binding.run_next("b").job.queue == "b"
    assert binding.run_next("b") is None
    assert binding.run_next().job.queue == "a"


def test_another_process_id_is_not_recovered_but_seen(bind):
    other = bind(process_id="other")
    job = other.enqueue(Call("Add", (1, 2)))
    other.abandon_next()
    binding = bind()
    assert (binding.recover(), binding.running()) == (0, [job])
    assert other.recover() == 1


def test_a_queue_that_is_in_no_set_is_recovered_too(bind, look):
    look.lpush("queue:slow:1:inprogress", '{"class":"Add","args":[1,2]}')
    binding = bind()
    assert binding.recover() == 1
    assert binding.run_next().job.queue == "slow"
    assert bind(queues=["default"]).recover() == 0


def test_22_a_second_process_of_one_id_runs_what_the_first_has_in_its_hands(bind):
    ran = []

    def handler():
        ran.append("job")
        if len(ran) == 1:
            second = bind({"Slow": handler})
            assert second.recover() == 1
            assert second.run_next().status == "ok"

    first = bind({"Slow": handler})
    first.enqueue(Call("Slow"))
    first.run_next()
    assert ran == ["job", "job"]


def test_a_job_in_ones_own_hands_is_passed_over(bind):
    handlers = {}
    binding = bind(handlers)
    handlers["Look"] = binding.recover
    binding.enqueue(Call("Look"))
    assert binding.run_next().result == 0


def test_poison_is_reported_at_each_restart(bind, look):
    look.lpush(IN_PROGRESS, "{oops")
    for _ in range(2):
        binding = bind()
        assert binding.recover() == 1
        assert binding.run_next().status == "dropped"
        assert look.lrange(IN_PROGRESS, 0, -1) == ["{oops"]


def test_a_failed_recovered_job_is_retried_and_acknowledged(bind, look):
    binding = bind()
    binding.enqueue(Call("Boom", options={"retry": True}))
    binding.abandon_next()
    binding.recover()
    assert binding.run_next().status == "retrying"
    assert not look.exists(IN_PROGRESS)


def test_23_sidekiq_loses_the_job_of_a_worker_that_dies(bind, look):
    binding = bind(dialect="sidekiq7")
    job = binding.enqueue(Call("Add", (1, 2)))
    assert not binding.caps.acks
    assert binding.abandon_next() == job
    assert (binding.recover(), binding.running(), binding.run_next()) == (0, [], None)
    assert look.keys() == ["queues"]


def test_lists_in_progress_are_found_under_a_namespace_with_special_characters(bind):
    binding = bind(namespace="a[b]*")
    job = binding.enqueue(Call("Add", (1, 2)))
    binding.abandon_next()
    assert (binding.running(), bind(namespace="ab").running()) == ([job], [])
    assert bind(namespace="a[b]*").recover() == 1
