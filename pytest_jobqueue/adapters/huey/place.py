"""Where an application keeps its tasks: ours while it lasts, and afterwards as before.

Private names of Huey, tried on 2.5.0, 3.0.0 and 3.5.4, stand here only: `_timeout_handler` (a consumer sets
it; Huey 3) and `_registry._registry`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from huey import consumer, utils
from huey.storage import RedisStorage

from pytest_jobqueue.adapters.pools import Repointed
from pytest_jobqueue.deadline import Deadline
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from huey.api import Huey


class Place:
    """A Huey that leads to another Redis and does not run its tasks on the spot, until `restore`.

    Args:
        huey: The application.
        url: Where it is to lead.

    Raises:
        UsageError: It keeps its tasks elsewhere than in Redis.
    """

    def __init__(self, huey: Huey, url: str) -> None:
        self._huey = huey
        self._storage = huey.storage
        self._immediate = huey.immediate
        self._handler = getattr(huey, "_timeout_handler", None)
        huey.immediate = False  # with a store in memory, this makes the one of production
        if not isinstance(huey.storage, RedisStorage):
            kind = type(huey.storage).__name__
            self._put_back()
            raise UsageError(
                f"the Huey {huey.name!r} ({type(huey).__name__}) keeps its tasks in a {kind}, not in Redis; "
                "for tests on a Redis make it a RedisHuey, PriorityRedisHuey or RedisExpireHuey"
            )
        self._repointed = Repointed(huey.storage.pool, url)
        if _is_of_processes(self._handler):
            huey._timeout_handler = alarm  # noqa: SLF001 (see the head of this file)

    def restore(self) -> None:
        """Lead where it led before."""
        self._repointed.restore()
        if self._handler is not None:
            self._huey._timeout_handler = self._handler  # noqa: SLF001
        self._put_back()

    def _put_back(self) -> None:
        self._huey.immediate = self._immediate
        self._huey.storage = self._storage


def registered_names(huey: Huey) -> list[str]:
    """What the tasks are called; Huey prints these names, and gives them to nobody."""
    return sorted(huey._registry._registry)  # noqa: SLF001 (see the head of this file)


def _is_of_processes(handler: Any) -> bool:
    """Whether the application made a consumer whose workers are processes: they enforce time limits."""
    of_first_3 = getattr(utils, "process_timeout", None)  # in 3.0; later the environment has the handler
    of_environment = isinstance(getattr(handler, "__self__", None), consumer.ProcessEnvironment)
    return of_environment or (handler is not None and handler is of_first_3)


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """A process worker's time limit, which here gives back the alarm that it borrowed."""
    from huey.exceptions import TaskTimeout  # Huey 3, which alone calls this

    with Deadline(seconds, error=lambda: TaskTimeout(f"timeout ({seconds}s)")):
        yield
