"""What an adapter needs: distributions and their oldest versions, looked at before a library is imported.

A need is written as in an extra, `celery[redis]>=5.4`, so that it can be given to pip as it is. A library
without metadata, such as a copy within a project, is taken as it is.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pytest_jobqueue.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Iterable

_NEED = re.compile(r"(?P<name>[\w.-]+)(\[[\w,]*\])?>=(?P<oldest>[\d.]+)")


def check(adapter: str, needs: Iterable[str]) -> None:
    """Raise an error if one of the needs is not met.

    Args:
        adapter: The adapter's name, which is an extra's as well.
        needs: Such as `rq>=2.0`.

    Raises:
        AdapterError: Something is not installed, or too old; with the command that mends it.
    """
    for need in needs:
        found = _NEED.fullmatch(need)
        if found is None:
            raise AdapterError(f"the adapter {adapter!r} needs {need!r}; write it as name>=1.0")
        name, oldest = found["name"], found["oldest"]
        installed = installed_version(name)
        if installed is None:
            if find_spec(name.replace("-", "_")) is None:
                raise AdapterError(
                    f"the adapter {adapter!r} needs {name}, which is not installed: "
                    f'pip install "pytest-jobqueue[{adapter}]"'
                )
        elif _numbers(installed) < _numbers(oldest):
            raise AdapterError(
                f"{name} {installed} is installed, and the adapter {adapter!r} is for {oldest} and newer: "
                f"pip install '{need}'"
            )


@cache  # reading it from disk takes longer than binding an application
def installed_version(name: str) -> str | None:
    """The version of a distribution; None if there is none of that name."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """Major and minor; what is before the release counts as the release."""
    return tuple(int(number) for number in [*re.findall(r"\d+", version), "0"][:2])
