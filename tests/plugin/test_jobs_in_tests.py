"""What happens in a job reaches the test: its exception, `pytest.fail`, an interrupt, a hang, a loop."""

from __future__ import annotations

import pytest

JOBS = """
    import threading
    import time

    import pytest
    import pytest_jobqueue

    def fail():
        pytest.fail("the job says no")

    def skip():
        pytest.skip("the job is not for today")

    def hang():
        threading.Event().wait(60)

    def slow_fail():
        raise ValueError("in the job")

    @pytest.fixture
    def jobqueue_app():
        return {"Fail": fail, "Skip": skip, "Hang": hang, "Bad": slow_fail, "Add": lambda a, b: a + b}

    def test_fail(jobqueue):
        jobqueue.producer.enqueue("Fail")
        jobqueue.worker.drain(on_error="record")

    def test_skip(jobqueue):
        jobqueue.producer.enqueue("Skip")
        jobqueue.worker.drain()

    def test_hang(jobqueue):
        jobqueue.producer.enqueue("Hang", queue="slow")
        jobqueue.worker.drain(timeout=0.1)

    def test_loop(jobqueue, jobqueue_app):
        jobqueue_app["Again"] = again = lambda: jobqueue.producer.enqueue("Again") and None
        with pytest_jobqueue.JobQueue({"Again": again}, jobqueue.server) as own:
            own.producer.enqueue("Again")
            own.worker.drain(limit=3)

    def test_bad(jobqueue):
        jobqueue.producer.enqueue("Add", 1, 2)
        jobqueue.worker.drain()
        jobqueue.producer.set(retry=True).enqueue("Bad")
        jobqueue.producer.enqueue_in(60, "Add", 3, 4)
        jobqueue.worker.drain()

    @pytest.fixture
    def prepared(jobqueue):
        jobqueue.producer.enqueue("Bad")
        jobqueue.worker.run_next()

    def test_prepared(prepared):
        pass

    def test_good(jobqueue):
        jobqueue.producer.enqueue("Add", 1, 2)
        assert jobqueue.worker.drain().results == [3]
"""


def test_jobs_fail_their_tests_and_reports_say_how(project):
    project.tests(JOBS)
    result = project.run("-rs", "-v")
    result.assert_outcomes(passed=1, failed=4, skipped=1, errors=1)
    text = result.stdout.str()
    sections = dict(section.split("\n", 1) for section in text.split("\n____")[1:])
    named = {title.strip("_ "): body for title, body in sections.items()}
    assert "Failed: the job says no" in named["test_fail"]
    assert "SKIPPED [1] " in text
    assert "the job is not for today" in text

    hang = named["test_hang"]
    assert "DrainTimeoutError: the time for this drain (0.1 s) was up while Hang() [" in hang
    assert " on slow] was running. " in hang

    loop = named["test_loop"]
    assert "DrainLimitError: 3 jobs ran, as many as the limit allows, and more are ready: Again() [" in loop
    assert "most often ran 'Again' (3 times). If no job enqueues itself, give limit=… more." in loop

    bad = named["test_bad"]
    assert "ValueError: in the job" in bad
    assert "pytest_jobqueue/" not in bad  # neither frames of ours nor of the adapter
    section = bad[bad.index("jobqueue ---") :].splitlines()
    assert section[1].startswith("redis: in-memory Redis 7.4.0 behind 127.0.0.1:")
    assert section[2] == "what happened:"
    assert [line.split("[")[0] for line in section[3:8]] == [
        "  enqueued Add(1, 2) ",
        "  ran      ok: Add(1, 2) ",
        "  enqueued Bad() ",
        "  enqueued Add(3, 4) ",
        "  ran      retrying: Bad() ",
    ]
    assert "ValueError: in the job" in section[7]
    rest = "\n".join(section[8:])
    assert "\nscheduled:\n  Add(3, 4) [" in f"\n{rest}"
    assert "\nretrying:\n  Bad() [" in rest
    assert "jobqueue ---" in named["ERROR at setup of test_prepared"]
    assert text.count("- jobqueue -") == 5


@pytest.mark.parametrize("mode", ["server", "container"])
def test_a_failed_test_s_report_shows_the_end_of_the_server_s_log(project, on, mode):
    project.tests(
        """
        def test_bad(jobqueue):
            jobqueue.producer.enqueue("Boom")
            jobqueue.redis.eval("redis.log(redis.LOG_WARNING, 'what the server said last')", 0)
            jobqueue.worker.drain()

        def test_good(jobqueue):
            pass
        """
    )
    result = project.run(*on(mode))
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    report = text[text.index("- jobqueue -") :].splitlines()
    assert report[1].startswith("redis: Redis ")
    log = report[report.index("the server's log:") + 1 :]
    log = log[: next(place for place, line in enumerate(log) if not line.startswith("  "))]
    assert "Ready to accept connections" in "\n".join(log)
    assert log[-1].endswith("# what the server said last")


def test_an_interrupt_in_a_job_stops_the_run(project):
    project.tests(
        """
        def interrupt():
            raise KeyboardInterrupt

        def test_interrupt(jobqueue):
            with_job = jobqueue.server
            import pytest_jobqueue
            with pytest_jobqueue.JobQueue({"Stop": interrupt}, with_job) as own:
                own.producer.enqueue("Stop")
                own.worker.drain(on_error="record")

        def test_never(jobqueue):
            pass
        """
    )
    result = project.run()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "passed" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*"])
