"""The application of a run: by a module's path, by the marker, by both, and when it cannot be told."""

from __future__ import annotations

import pytest

SERVICE = """
from pytest_jobqueue import Handlers

handlers = Handlers({"Where": lambda: __name__})
TABLE = {"Where": len}
"""
TEST = """
import pytest

def where(jobqueue):
    jobqueue.producer.enqueue("Where")
    return jobqueue.worker.run_next().result

def test_of_the_run(jobqueue):
    assert where(jobqueue) == "service"

@pytest.mark.jobqueue(app="other:handlers")
def test_the_marker_wins(jobqueue):
    assert where(jobqueue) == "other"
"""


@pytest.fixture
def run(pytester):
    pytester.makepyfile(service=SERVICE, other=SERVICE, several=f"{SERVICE}\nmore = Handlers()\n")

    def run(test, app):
        pytester.makepyfile(test)
        pytester.makeini(f"[pytest]\npythonpath = .\njobqueue_app = {app}\n")
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "--redis=fake")

    return run


def test_a_module_is_enough_and_the_marker_wins(run):
    run(TEST, "service").assert_outcomes(passed=2)


def test_several_end_the_run_with_their_names(run):
    result = run(TEST, "several")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(
        [
            "*jobqueue: jobqueue_app is 'several', and that module has 2 applications; name one of them:",
            "  several:handlers (sidekiq)",
            "  several:more (sidekiq)*",
        ]
    )


def test_a_marker_that_names_none_fails_its_test_alone(run):
    result = run(TEST.replace("other:handlers", "json"), "service")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*jobqueue_app is 'json', and that module has no application *"])
