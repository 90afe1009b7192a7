"""Every error that the package raises on purpose.

A message says what was asked, what was there and what to do. Each class has one parent, `JobQueueError`, so
that a caller can catch the family; those that mean a failed expectation are `AssertionError`s as well. One
stands apart, since nobody but the test is to catch it.
"""

from __future__ import annotations


class JobQueueError(Exception):
    """Base class of this package's errors."""


class UsageError(JobQueueError):
    """A setting, option or argument that cannot work; the message names the remedy."""


class ServerUnavailableError(UsageError):
    """A Redis that was asked for by name cannot be had here: no binary, no Docker, no answer."""


class ForeignDataError(UsageError):
    """A Redis that was not started here holds keys already, so it is neither used nor flushed."""


class AdapterError(UsageError):
    """No adapter fits the application object, or the library behind it is not installed."""


class UnknownJobError(JobQueueError):
    """A worker took a job for which no handler is registered."""


class PoisonJobError(JobQueueError):
    """A worker took bytes off a queue that are not a job in the queue's format."""


class DrainError(JobQueueError, AssertionError):
    """A drain or a wait reached its bound; the message names the job or key that it was at."""


class DrainLimitError(DrainError):
    """More jobs ran than the limit allows: most often a job that enqueues itself."""


class DrainTimeoutError(DrainError):
    """The deadline passed while a job ran or while nothing became ready."""


class WorkerEndedError(DrainError):
    """The worker process ended while it was waited for; the message has the end of its log."""


class WorkerJobError(JobQueueError):
    """A job failed in a worker process, with an exception that cannot travel; its cause is the traceback."""


class StrayConnectionError(BaseException):
    """The code under test connects to a Redis that is none of this test's; it was refused.

    Not an `Exception`, as `pytest.fail` raises none either: a service, a job library and its worker catch
    those, try again or go on without, and the test would hang or fail for what comes of it.
    """


class JobQueueWarning(UserWarning):
    """Something that is not an error but that a reader of the test's output should know."""
