"""`--jobqueue-report`: every job of the run in one file, under pytest-xdist too; a bad path is told early."""

from __future__ import annotations

import json

import pytest

TESTS = """
    import os

    import pytest

    @pytest.mark.parametrize("number", range(3))
    def test_add(jobqueue, number):
        os.chdir("/")  # the path was meant where the run began
        jobqueue.producer.enqueue("Add", number, 1)
        jobqueue.worker.drain()

    def test_boom(jobqueue):
        jobqueue.producer.enqueue("Boom")
        jobqueue.worker.drain()
"""


@pytest.mark.parametrize("more", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_every_job_of_the_run_is_written(project, more):
    project.tests(TESTS)
    result = project.run("--jobqueue-report=jobs.jsonl", *more)
    result.assert_outcomes(passed=3, failed=1)
    lines = [json.loads(line) for line in (project.path / "jobs.jsonl").read_text().splitlines()]
    found = {
        (line["test"].partition("::")[2], line["event"], line["name"], line.get("status")) for line in lines
    }
    assert len(lines) == 8
    assert found == {
        *((f"test_add[{n}]", "enqueued", "Add", None) for n in range(3)),
        *((f"test_add[{n}]", "ran", "Add", "ok") for n in range(3)),
        ("test_boom", "enqueued", "Boom", None),
        ("test_boom", "ran", "Boom", "failed"),
    }
    (boom,) = (line for line in lines if line.get("status") == "failed")
    assert boom["error"] == "ValueError: boom"
    assert "service.py" in boom["traceback"]


def test_a_run_without_jobs_writes_an_empty_report(project):
    project.tests("def test_nothing(): pass")
    project.run_here("--jobqueue-report=jobs.jsonl").assert_outcomes(passed=1)
    assert (project.path / "jobs.jsonl").read_text() == ""


def test_a_path_that_cannot_be_written_is_told_before_the_first_test(project):
    project.tests("def test_nothing(): pass")
    missing = project.run_here("--jobqueue-report=out/jobs.jsonl")
    assert missing.ret == pytest.ExitCode.USAGE_ERROR
    missing.stderr.fnmatch_lines(
        [
            (
                "ERROR: jobqueue: --jobqueue-report=out/jobs.jsonl cannot be written: there is no directory "
                f"{project.path / 'out'}; make it first"
            )
        ]
    )
    folder = project.run_here("--jobqueue-report=.")
    assert folder.ret == pytest.ExitCode.USAGE_ERROR
    folder.stderr.fnmatch_lines(
        ["ERROR: jobqueue: --jobqueue-report=. cannot be written: it is a directory"], consecutive=True
    )
