"""Which argument it is that a library's serialiser refuses; asked when the library has refused the job.

Libraries say that something is not serialisable, and seldom what, or of which job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_jobqueue.job import error_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_jobqueue.job import Call


def name_refused(call: Call, error: Exception, serialiser: str, dumps: Callable[[Any], object]) -> None:
    """Raise an error that names the argument, if one is refused; else whoever asks raises what it has.

    Args:
        call: What was asked for.
        error: What the library raised.
        serialiser: What the library calls it.
        dumps: Serialises one value as the library does.

    Raises:
        TypeError: With the argument's place or name, its value, and why.
    """
    named = [(f"argument {place}", value) for place, value in enumerate(call.args, 1)]
    named += [(f"argument {key!r}", value) for key, value in call.kwargs.items()]
    for where, value in named:
        try:
            dumps(value)
        except Exception as refused:  # noqa: BLE001, PERF203 (serialisers have errors of all kinds)
            raise TypeError(
                f"{where} of {call.name} does not survive {serialiser}: {value!r} ({error_text(refused)}); "
                "pass plain values, or an id that the job looks up"
            ) from error
