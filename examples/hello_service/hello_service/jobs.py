"""The jobs that the worker process runs."""

from __future__ import annotations

from hello_service import settings
from hello_service.greetings import Greetings
from pytest_jobqueue import Handlers, Job

handlers = Handlers()


@handlers.register("Hello", bind=True)
def hello(job: Job, key: str) -> None:
    """Leave a greeting for the one who is named by the key."""
    Greetings(settings.redis()).leave(key, f"hello from job {job.id}")
