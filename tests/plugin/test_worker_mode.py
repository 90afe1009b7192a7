"""Process mode, chosen for a project, a run and one test; and what a failed test's report has of it."""

from __future__ import annotations

import pytest

TEST = """
    import os
    import pytest

    def pid_of_job(jobqueue):
        jobqueue.producer.enqueue("Pid")
        (outcome,) = jobqueue.worker.drain()
        return outcome.result

    def test_here(jobqueue):
        assert pid_of_job(jobqueue) == os.getpid()

    def test_elsewhere(jobqueue):
        assert pid_of_job(jobqueue) != os.getpid()
        jobqueue.assert_performed("Pid")

    @pytest.mark.jobqueue(worker_mode="inline")
    def test_here_by_marker(jobqueue):
        assert pid_of_job(jobqueue) == os.getpid()

    @pytest.mark.jobqueue(worker_mode="process")
    def test_elsewhere_by_marker(jobqueue):
        assert pid_of_job(jobqueue) != os.getpid()
"""
SERVICE = """
    import os
    from pytest_jobqueue import Handlers

    handlers = Handlers()
    handlers.register("Pid")(os.getpid)

    @handlers.register("Boom")
    def boom():
        print("what the worker prints")
        raise ValueError("boom")
"""


@pytest.fixture
def modes(project):
    project.tests(service=SERVICE, test_modes=TEST)
    return project


def test_the_modes_of_a_project_a_run_and_a_test(modes):
    modes.ini("jobqueue_worker_mode = process\n")
    modes.run("-k", "elsewhere or marker").assert_outcomes(passed=3, deselected=1)
    modes.run("-k", "test_here", "--jobqueue-worker-mode=inline").assert_outcomes(passed=2, deselected=2)


def test_a_project_can_say_it_in_its_settings(modes):
    modes.conftest("""
        import pytest
        from pytest_jobqueue import Settings

        @pytest.fixture(scope="session")
        def jobqueue_settings():
            return Settings(worker_mode="process")
    """)
    modes.run("-k", "elsewhere or marker").assert_outcomes(passed=3, deselected=1)


def test_a_mode_that_there_is_not(project):
    project.ini("jobqueue_worker_mode = thread\n")
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*the worker mode 'thread' can be inline or process (This is the value of*"])


def test_the_report_has_the_log_and_the_traceback(project):
    project.tests(
        service=SERVICE,
        test_report="""
            import pytest

            pytestmark = pytest.mark.jobqueue(worker_mode="process")

            def test_boom(jobqueue):
                jobqueue.producer.enqueue("Boom")
                jobqueue.worker.drain()

            def test_no_path(jobqueue):
                pass

            test_no_path = pytest.mark.jobqueue(app={"Add": int})(test_no_path)
        """,
    )
    result = project.run()
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*RemoteTraceback*",
            "*service.py*in boom",
            "E *ValueError: boom",
            "*- jobqueue -*",
            "the worker's log:",
            "*what the worker prints",
        ]
    )
    result.stdout.fnmatch_lines(["*jobqueue: a worker process imports the application*"])
