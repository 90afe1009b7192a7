"""Every Python block of the documentation is run.

A block says in its first line what it is. `# name.py` is a file: tests are run by pytest, what has a
`__main__` part is run by python, and anything else is there for the tests of the page, the last one before
a test or else the first one after it. Pages of job libraries are read where the library is installed.
`# in a test` is the body of a test function that has the fixtures it names.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.libraries import INSTALLED

from pytest_jobqueue import JobQueue, serve

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/fixtures.md",
    "docs/worker.md",
    "docs/sidekiq.md",
    "docs/servers.md",
    "docs/glossary.md",
    *(f"docs/adapters/{name}.md" for name in INSTALLED),
)
FENCE = re.compile(r"^```(python|ini|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# ([\w.-]+\.(?:py|ini|toml))\b")
FIXTURES = re.compile(r"\b(jobqueue\w*)\b")
OPTIONS = ("-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error")
HUEY_2 = ("-W", "ignore:datetime.datetime.utcnow:DeprecationWarning")
QUIET_ASYNCIO = ("-o", "asyncio_default_fixture_loop_scope=function")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str

    @property
    def name(self):
        named = NAMED.match(self.text)
        return named[1] if named else ""

    @property
    def is_body(self):
        return self.text.startswith("# in a test\n")

    @property
    def is_test(self):
        return self.is_body or self.name.startswith("test_")

    @property
    def is_script(self):
        return "__main__" in self.text

    @property
    def source(self):
        if not self.is_body:
            return self.text
        names = ", ".join(sorted(set(FIXTURES.findall(self.text))))
        body = textwrap.indent(self.text, "    ")
        return f"import pytest\n\n\ndef test_of_line_{self.line}({names}):\n{body}"

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks_of(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for found in FENCE.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
RUN = [block for block in BLOCKS if block.is_test or block.is_script]


def files_for(block):
    """The page's other files, as they stand where the block stands."""
    page = [other for other in blocks_of(block.page) if other.name and not other.is_test]
    after = [other for other in page if other.line > block.line]
    before = [other for other in page if other.line < block.line]
    return {other.name: other.text for other in [*reversed(after), *before]}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_it_is(block):
    assert block.name or block.is_body


@pytest.fixture(scope="module", autouse=True)
def _loaded():
    """Import all that a block needs before pytester takes its snapshot, so that no block imports it again."""
    with serve("fake") as server, JobQueue({}, server) as jobqueue:
        assert jobqueue.redis.ping()


@pytest.mark.parametrize("block", RUN, ids=str)
def test_a_block_runs(block, pytester, monkeypatch):
    monkeypatch.delenv("PYTEST_JOBQUEUE_REDIS", raising=False)
    for name, text in files_for(block).items():
        (pytester.path / name).write_text(text, encoding="utf-8")
    name = block.name or f"test_line_{block.line}.py"
    (pytester.path / name).write_text(block.source, encoding="utf-8")
    if block.is_script:
        done = subprocess.run(
            [sys.executable, "-W", "error", name], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return
    result = pytester.runpytest_inprocess(*OPTIONS, *HUEY_2, *QUIET_ASYNCIO, name)
    outcomes = result.parseoutcomes()
    assert result.ret == pytest.ExitCode.OK
    assert outcomes.get("passed")
    assert not outcomes.get("warnings")
