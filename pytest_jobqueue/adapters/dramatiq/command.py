"""Dramatiq's own worker command on the application: `dramatiq module:broker`, by default with one process.

The broker is led to the Redis before Dramatiq forks its processes; what it spawns is led by `work`. A
middleware, the last in the row, tells what becomes of each message; all else is as in production.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from dramatiq.cli import main, make_argument_parser

from pytest_jobqueue.adapters.dramatiq.messages import job_for
from pytest_jobqueue.adapters.dramatiq.place import check_broker, pools_of
from pytest_jobqueue.adapters.dramatiq.recorder import Recorder
from pytest_jobqueue.adapters.pools import Repointed

if TYPE_CHECKING:
    from collections.abc import Callable

    from dramatiq.broker import Broker, MessageProxy

    from pytest_jobqueue.adapters import Work
    from pytest_jobqueue.adapters.telling import Telling


def command(app: Any, work: Work) -> Callable[[], object]:
    """Ready the process; what is returned runs `dramatiq`.

    Raises:
        UsageError: It is no `RedisBroker`.
    """
    check_broker(app)
    for pool in {id(pool): pool for pool in pools_of(app)}.values():
        Repointed(pool, work.url)
    app.add_middleware(_Told(work.telling))
    queues = ["--queues", *work.settings.queues] if work.settings.queues else []
    words = [work.app_path, "--processes", "1", *queues, *work.options]
    return functools.partial(main, make_argument_parser().parse_args(words))


class _Told(Recorder):
    """Tells of each message when it is taken, and when it is off the server."""

    def __init__(self, telling: Telling) -> None:
        super().__init__()
        self._tell = telling

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """The actor is called next."""
        self._tell.began(message.message_id, job_for(message))
        self.begin(message)
        super().before_process_message(broker, message)

    def after_ack(self, broker: Broker, message: MessageProxy) -> None:
        """It is over."""
        super().after_ack(broker, message)
        run = self.run_of(message)
        if run is not None:
            self.end(run)
            self._tell.ended(message.message_id, run.outcome(job_for(message)))

    after_nack = after_ack
