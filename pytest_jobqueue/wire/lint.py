"""What a payload that one program wrote will meet in another: sentences for a reader, never an error.

Each rule looks at the fields of one payload and says what the other side will do. A rule is here because the
two programs were seen, or their sources were read, to disagree; taste has no rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from pytest_jobqueue.wire.dialects import Dialect, DialectName, dialect_named
from pytest_jobqueue.wire.sidekiq import Payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_FIRST_MILLISECONDS = 100_000_000_000
"""Above this a timestamp is in milliseconds (1973), below it in seconds (year 5138)."""
_TIMES = ("created_at", "enqueued_at", "failed_at", "retried_at")
_ONLY_SIDEKIQ = {
    "retry_queue": "it retries on the queue that the job came from",
    "retry_for": "it counts retries, up to retry_max",
    "dead": "it has no dead set",
    "backtrace": "it records no backtrace",
}


def lint(
    payload: Payload | Mapping[str, Any], dialect: Dialect | DialectName, other: Dialect | DialectName
) -> list[str]:
    """What `other` will do with a payload that `dialect` wrote, where that is not what its writer meant.

    Raises:
        UsageError: There is no such dialect.
    """
    fields = payload.fields if isinstance(payload, Payload) else payload
    writer, reader = dialect_named(dialect), dialect_named(other)
    if writer.name == reader.name:
        return []
    return [sentence for rule in _RULES for sentence in rule(fields, writer, reader)]


def _integer_retry(fields: Mapping[str, Any], _writer: Dialect, reader: Dialect) -> Iterator[str]:
    retry = fields.get("retry")
    if reader.is_go and retry is not None and type(retry) is not bool:
        yield (
            f"retry: {retry} will be dropped by go-workers2 after one failure, since it reads only true and "
            f"false; say retry: true and retry_max: {retry}"
        )


def _sidekiq_only_fields(fields: Mapping[str, Any], _writer: Dialect, reader: Dialect) -> Iterator[str]:
    if reader.is_go:
        for name, instead in _ONLY_SIDEKIQ.items():
            if name in fields:
                yield f"{name} will be ignored by go-workers2: {instead}"
    elif "retry_for" in fields and "retry_for" not in reader.options:
        yield f"retry_for will be ignored by {reader.source}: it came with Sidekiq 7.1.3"


def _retry_max(fields: Mapping[str, Any], _writer: Dialect, reader: Dialect) -> Iterator[str]:
    if not reader.is_go and "retry_max" in fields:
        yield (
            f"retry_max: {fields['retry_max']} will be ignored by {reader.source}, which retries 25 times "
            "for retry: true; say retry with a number"
        )


def _absent_retry(fields: Mapping[str, Any], writer: Dialect, reader: Dialect) -> Iterator[str]:
    if writer.is_go and not reader.is_go and fields.get("retry") is None:
        yield (
            f"retry is absent, which {reader.source} takes as the class's default, true; its scheduler also "
            'writes "retry": true into the payload, so go-workers2 would retry it from then on'
        )


def _kept_time(fields: Mapping[str, Any], _writer: Dialect, reader: Dialect) -> Iterator[str]:
    at, enqueued_at = fields.get("at"), fields.get("enqueued_at")
    if reader.is_go or not _is_number(at):
        return
    if not _is_number(enqueued_at) or enqueued_at < at:
        yield (
            f"at is in the payload: when {reader.source}'s scheduler pops the job, it puts it back into "
            "schedule once more without at, and only the next pop makes it ready"
        )


def _retry_set(fields: Mapping[str, Any], writer: Dialect, reader: Dialect) -> Iterator[str]:
    if "retry_count" in fields and writer.retry_set != reader.retry_set:
        yield (
            f"the job failed before: {writer.source} keeps its retries in {writer.retry_set}, and "
            f"{reader.source} reads only {reader.retry_set}, so it neither shows nor runs them"
        )


def _text_times(fields: Mapping[str, Any], _writer: Dialect, reader: Dialect) -> Iterator[str]:
    if reader.is_go:
        return
    for name in ("failed_at", "retried_at"):
        if isinstance(fields.get(name), str):
            yield f"{name} is the text {fields[name]!r}: {_text_time_effect(reader, fields)}"


def _text_time_effect(reader: Dialect, fields: Mapping[str, Any]) -> str:
    if "retry_for" in reader.options and fields.get("retry_for"):
        return f"with retry_for the retry code of {reader.source} raises, and the job is lost"
    if reader.milliseconds:
        return f"{reader.source} divides it by 1000 to show it, which text does not support"
    return f"{reader.source} keeps it as it is where it writes a number"


def _error_class(fields: Mapping[str, Any], _writer: Dialect, reader: Dialect) -> Iterator[str]:
    if not reader.is_go and "error_message" in fields and "error_class" not in fields:
        yield f"error_class is absent: {reader.source} does not show the job as one that failed"


def _namespace(fields: Mapping[str, Any], writer: Dialect, reader: Dialect) -> Iterator[str]:
    queue = fields.get("queue")
    if writer.is_go and not reader.is_go and isinstance(queue, str) and ":" in queue:
        yield (
            f"queue {queue!r} carries a namespace: {reader.source} will push the job to 'queue:{queue}', "
            "where no go-workers2 listens"
            + ("" if reader.namespaces else ", and it has no namespaces to read it from")
        )


def _arguments(fields: Mapping[str, Any], _writer: Dialect, reader: Dialect) -> Iterator[str]:
    args = fields.get("args")
    if not reader.is_go and not isinstance(args, list):
        called = "calls perform without arguments" if args is None else "cannot spread it over perform"
        what = "null" if args is None else f"no array but {type(args).__name__}"
        yield f"args is {what}: {reader.source} {called}, and its scheduler refuses and loses such a job"
    if reader.is_go and isinstance(args, list):
        yield from (
            f"args[{index}]: {value} is beyond 64 bits, and a Go handler cannot read it as int64"
            for index, value in enumerate(args)
            if isinstance(value, int) and not -(2**63) <= value < 2**63
        )


def _units(fields: Mapping[str, Any], _writer: Dialect, reader: Dialect) -> Iterator[str]:
    for name in _TIMES:
        value = fields.get(name)
        if not _is_number(value) or reader.is_go:
            continue
        if reader.milliseconds and isinstance(value, int) and value < _FIRST_MILLISECONDS:
            yield (
                f"{name}: {value} is a whole number, which {reader.source} reads as milliseconds: 1970; "
                "only a number with a fraction counts as seconds"
            )
        elif not reader.milliseconds and value >= _FIRST_MILLISECONDS:
            yield f"{name}: {value} is in milliseconds, and {reader.source} reads seconds"


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_RULES: tuple[Callable[[Mapping[str, Any], Dialect, Dialect], Iterator[str]], ...] = (
    _integer_retry,
    _sidekiq_only_fields,
    _retry_max,
    _absent_retry,
    _kept_time,
    _retry_set,
    _text_times,
    _error_class,
    _namespace,
    _arguments,
    _units,
)
