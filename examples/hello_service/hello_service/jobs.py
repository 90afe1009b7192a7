"""The jobs that the worker process runs."""

from __future__ import annotations

from hello_service import settings
from hello_service.greetings import Greetings
from pytest_jobqueue import Handlers, Job

handlers = Handlers()


@handlers.queue("hello")
def hello(job: Job) -> None:
    """Leave a greeting for the one who is named in the first argument."""
    (key,) = job.args
    Greetings(settings.redis()).leave(key, f"hello from job {job.id}")
