"""The session of docs/standalone.md prints what the page says that it prints; the README's commands run."""

from __future__ import annotations

import os
import re
import shlex
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from support.dev import PATIENCE, ROOT, Dev

for needed in ("starlette", "uvicorn"):
    pytest.importorskip(needed)

FOLDER = ROOT / "examples" / "hello_service"
BLOCKS = re.findall(r"```console\n(.*?)```", (ROOT / "docs" / "standalone.md").read_text(), re.DOTALL)


def masked(text):
    """Without what is another each time: ports, process ids, job ids, durations."""
    for pattern, name in (
        (r"\b[0-9a-f]{24}\b", "JOB"),
        (r"(?<=127\.0\.0\.1:)\d+|(?<=--port )\d+", "PORT"),
        (r"(?<=pid )\d+|(?<=process \[)\d+", "PID"),
        (r"\d+(?= ms)", "N"),
    ):
        text = re.sub(pattern, name, text)
    return text


def curl(words, port):
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    request = Request("http://" + words[-1].replace(":3000", f":{port}"), method=method)
    until = time.monotonic() + PATIENCE
    while (answer := answer_to(request)) is None:  # nothing to collect yet: a reader types more slowly
        assert time.monotonic() < until, words
    return answer


def answer_to(request):
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return answer.read().decode().strip()
    except HTTPError as error:
        if error.code != 404:
            raise
        return None


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.fixture
def start(tmp_path, port):
    """Starts a command of a page, on free ports; it is ended with the test."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with ExitStack() as stack:

        def start(command):
            ours, _, service = command.partition("#")[0].replace("3000", str(port)).partition(" -- ")
            words = [*shlex.split(ours)[2:], "--json", str(tmp_path / "json")]
            words += ["--", *shlex.split(service)] if service else []
            return stack.enter_context(Dev(FOLDER, *words, env={"PATH": path}))

        yield start


def test_it_is_as_the_page_says(start, port):
    first, questions, meanwhile = BLOCKS
    command, *expected = first.splitlines()
    run = start(command.removeprefix("$ "))
    run.up()
    said = [line for line in masked(run.text).splitlines() if "    json: " not in line]
    assert said[: len(expected)] == masked("\n".join(expected)).splitlines()

    for question in questions.strip().split("$ ")[1:]:
        asked, answer = question.split("\n", 1)
        assert masked(curl(shlex.split(asked), port)) == masked(answer).strip()

    for line in masked(meanwhile).splitlines():
        until = time.monotonic() + PATIENCE
        while line not in masked(run.text).splitlines():
            assert time.monotonic() < until, f"{line}\nis not in\n{run.text}"
            time.sleep(0.01)


COMMANDS = re.findall(r"^\$ (jobqueue dev.*)", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS, ids=["alone", "a service", "a worker too"])
def test_the_commands_of_the_readme_run(start, port, command):
    facts = start(command).up()
    assert (facts["service"] is None) is (" -- " not in command)
    assert bool(facts["workers"]) is ("--app" in command)
    if facts["service"]:
        asked = shlex.split(f"curl -X POST 127.0.0.1:{port}/enqueue?key=Bob")
        assert curl(asked, port).startswith("accepted job ")
