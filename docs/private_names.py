"""Reads `docs/private-names.md`, and shows that each name on it has a test that fails when the name moves.

python docs/private_names.py LIBRARY [NAME …]

Each name is renamed in a copy of the project, and the tests of its library are run there until one fails. A
name that no test misses is printed; the exit status is their number. It takes some minutes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

TOO_LONG = 900  # seconds; where a name has moved, a test may also wait for ever
ROOT = Path(__file__).parents[1]
ADAPTERS = Path("pytest_jobqueue", "adapters")
PAGE = Path(__file__).parent / "private-names.md"
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
ROW = re.compile(r"^\| `([\w.]+)` \| `(\w+)` \|", re.MULTILINE)


@dataclass(frozen=True)
class Listed:
    """One row of the page."""

    library: str
    name: str
    file: str

    @property
    def path(self) -> Path:
        """Where the name is used."""
        return ADAPTERS / self.library / f"{self.file}.py"

    def found_in(self, source: str) -> re.Pattern[str] | None:
        """What finds the name below the file's head: as it is written on the page, or its last part."""
        code = source.split('"""', 2)[-1]
        for written in (self.name, self.name.rpartition(".")[2]):
            pattern = re.compile(rf"(?<!\w){re.escape(written)}(?!\w)")
            if pattern.search(code):
                return pattern
        return None


def listed() -> list[Listed]:
    """All names of the page."""
    _, *parts = SECTION.split(PAGE.read_text(encoding="utf-8"))
    sections = zip(parts[::2], parts[1::2], strict=True)
    return [Listed(title.lower(), *row) for title, text in sections for row in ROW.findall(text)]


def passes(one: Listed, project: Path) -> bool:
    """Whether the tests of what uses a name pass."""
    tests = f"tests/adapters/{one.library}"
    chosen = ["tests/process/test_libraries.py", "-k", one.library] if one.file == "command" else [tests]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *chosen]
    try:
        done = subprocess.run(  # noqa: S603 (our own tests)
            command,
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(project)},
            capture_output=True,
            check=False,
            timeout=TOO_LONG,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def is_missed(one: Listed, project: Path) -> bool:
    """Whether a test fails once the name has moved."""
    path = project / one.path
    source = path.read_text(encoding="utf-8")
    pattern = one.found_in(source)
    assert pattern is not None, f"{one.path} does not use {one.name}"
    path.write_text(pattern.sub(lambda found: f"{found[0]}_moved", source), encoding="utf-8")
    try:
        return not passes(one, project)
    finally:
        path.write_text(source, encoding="utf-8")


def main(library: str, *names: str) -> int:
    """Try the names of one library, or some of them; returns how many no test misses."""
    chosen = [one for one in listed() if one.library == library and (not names or one.name in names)]
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        for part in ("pytest_jobqueue", "tests", "examples"):
            shutil.copytree(ROOT / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("pyproject.toml", "conftest.py"):
            shutil.copy(ROOT / part, project)
        for file, one in {one.file == "command": one for one in chosen}.items():
            assert passes(one, project), f"the tests of {library} fail as it is{' (process mode)' * file}"
        unmissed = [one for one in chosen if not is_missed(one, project)]
    for one in unmissed:
        sys.stdout.write(f"no test of {one.library} misses {one.name} ({one.file})\n")
    return len(unmissed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
