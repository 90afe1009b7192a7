"""The worker process: `python -m hello_service.worker`.

One job at a time, until it is told to stop. A job that it held when it was killed is run again at the next
start, as long as that has the same WORKER_ID; so no two may run with one.
"""

from __future__ import annotations

import logging
import os
import signal
from contextlib import closing
from threading import Event

from hello_service import settings
from hello_service.jobs import handlers
from pytest_jobqueue.adapters.sidekiq import SidekiqBinding

IDLE_SECONDS = 0.5

log = logging.getLogger(__name__)


def work(stop: Event) -> None:
    """Run jobs until `stop` is set."""
    worker_id = os.environ.get("WORKER_ID", "1")
    with closing(SidekiqBinding(handlers, settings.redis_url(), process_id=worker_id)) as worker:
        worker.recover()
        while not stop.is_set():
            outcome = worker.run_next()
            if outcome is not None:
                log.info("%s", outcome, exc_info=outcome.exception)
            elif not worker.tick():
                stop.wait(IDLE_SECONDS)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    work(stop)


if __name__ == "__main__":
    main()
