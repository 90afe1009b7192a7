"""What a caller asks for, in SAQ's words: values only, nothing is sent here.

SAQ's jobs take keyword arguments. Positional ones get the names of the function's parameters; a job that was
enqueued with some is shown with them, by whoever enqueued it.
"""

from __future__ import annotations

import inspect
import math
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_jobqueue.job import Call

# What SAQ's documentation calls user specified, but for Postgres.
_OPTIONS = (
    "key",
    "timeout",
    "heartbeat",
    "retries",
    "ttl",
    "retry_delay",
    "retry_backoff",
    "scheduled",
    "meta",
)


def functions_of(settings: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """The functions that a worker of these settings runs, by the names that SAQ gives them."""
    named = {}
    for given in settings.get("functions") or ():
        name, function = given if isinstance(given, tuple) else (given.__qualname__, given)
        named[name] = function
    for cron in settings.get("cron_jobs") or ():
        named.setdefault(cron.function.__qualname__, cron.function)
    return named


def arguments(call: Call, functions: Mapping[str, Callable[..., Any]]) -> tuple[dict[str, Any], list[str]]:
    """The keyword arguments, and which of them were given by position.

    Raises:
        TypeError: There are more than the function has, or it is not known.
    """
    if not call.args:
        return dict(call.kwargs), []
    if call.name not in functions:
        raise TypeError(
            f"{call.name}: SAQ's jobs take keyword arguments, and the names of positional ones are known "
            "only of a function that the worker's settings have"
        )
    names = _parameters(functions[call.name])[: len(call.args)]
    if len(names) < len(call.args):
        raise TypeError(
            f"{call.name}: {len(call.args)} positional arguments were given, and the function takes "
            f"{', '.join(names) or 'none'}; SAQ's jobs take keyword arguments"
        )
    if twice := [name for name in names if name in call.kwargs]:
        raise TypeError(f"{call.name}: the argument {twice[0]!r} was given twice, by position and by name")
    return {**dict(zip(names, call.args, strict=True)), **call.kwargs}, names


def _parameters(function: Callable[..., Any]) -> list[str]:
    """The names of all but the context, which SAQ gives."""
    kinds = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind not in kinds][1:]


def options(call: Call) -> dict[str, Any]:
    """The properties of the job.

    Raises:
        UsageError: SAQ has no such option, or the time is given twice.
    """
    for option in call.options:
        if option not in _OPTIONS:
            raise UsageError(
                f"{call.name}: SAQ has no option {option!r} for a job in Redis"
                f"{did_you_mean(option, _OPTIONS)} (there are {', '.join(_OPTIONS)})"
            )
    if call.at is None:
        return dict(call.options)
    if "scheduled" in call.options:
        raise UsageError(f"{call.name}: its time is given twice, by the option 'scheduled' and by the call")
    return {**call.options, "scheduled": max(1, math.ceil(call.at))}  # SAQ counts whole seconds


def check_name(name: str, functions: Mapping[str, Callable[..., Any]]) -> None:
    """Refuse a name that the worker does not know.

    Raises:
        UsageError: It does not.
    """
    if functions and name not in functions:
        raise UsageError(
            f"the worker's settings have no function {name!r}{did_you_mean(name, list(functions))} "
            f"(registered: {', '.join(functions)})"
        )


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """The nearest of the known words, as a question."""
    close = get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""
