"""What the jobs of these services leave behind: lines in a file, since they run in another process."""

import os
from pathlib import Path


def note(text: str) -> None:
    with Path(os.environ["NOTES"]).open("a", encoding="utf-8") as notes:
        notes.write(f"{text}\n")


def add(a: int, b: int) -> int:
    print(f"adding {a} and {b}")  # noqa: T201 (a line of the worker's log)
    note(f"{a} + {b}")
    return a + b


def boom() -> None:
    raise ValueError("the job's own error")


NOWHERE = "redis://redis.invalid:6379/0"  # where these services lead by themselves
