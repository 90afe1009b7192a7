"""The JSON payload of go-workers2 and Sidekiq: bytes to values and back, no I/O.

A payload keeps the bytes that it was read from, because a job is acknowledged by removing exactly those. What
is written is what the dialect's own program writes: the same fields in the same order, in its units and with
its escapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from json import JSONDecoder, JSONEncoder
from math import isinf
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import PoisonJobError, UsageError
from pytest_jobqueue.job import Job
from pytest_jobqueue.wire.dialects import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_jobqueue.wire.dialects import Dialect

_LONGEST_QUOTE = 120
_GO_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError(f"the number {digits} is too large")
    return number


def _whole(text: str) -> str:
    """Text with the replacement character for each half of a surrogate pair that stands alone."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _mended(value: Any) -> Any:
    """The value without lone surrogates, which neither UTF-8 nor Go's decoder has."""
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _mended(item) for key, item in value.items()}
    return value


_parse = JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode
_in_order = JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_sorted = JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Payload:
    """One job as it lies on the server.

    Attributes:
        raw: The bytes, exactly as they were; an acknowledgement removes these.
        fields: What they say.
    """

    raw: bytes
    fields: Mapping[str, Any] = field(hash=False)

    @property
    def jid(self) -> str:
        """The job's identifier, or an empty string."""
        return _text(self.fields.get("jid"))

    @property
    def name(self) -> str:
        """What the `class` field says, or an empty string."""
        return _text(self.fields.get("class"))

    @property
    def queue(self) -> str:
        """What the `queue` field says: after a go-workers2 failure with its namespace."""
        return _text(self.fields.get("queue"))

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments as a handler gets them: none for `null`, one for a value that is no array."""
        args = self.fields.get("args")
        if isinstance(args, list):
            return tuple(args)
        return () if args is None else (args,)

    @property
    def retry_count(self) -> int | None:
        """How often it was put back after a failure, counted from 0; None before the first failure."""
        count = self.fields.get("retry_count")
        return count if type(count) is int else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def decode(raw: bytes) -> Payload:
    """Read one payload.

    As in Go's decoder, half a surrogate pair becomes U+FFFD, and a number beyond a double is refused. Go
    takes a few things for a job that are refused here: see `docs/sidekiq.md`.

    Raises:
        PoisonJobError: The bytes are not a JSON object in UTF-8; the message quotes them.
    """
    try:
        fields = _parse(raw.decode())
        if b"\\u" in raw:
            fields = _mended(fields)
    except (ValueError, RecursionError) as error:
        raise PoisonJobError(f"not a job: {quoted(raw)} is not JSON ({error})") from None
    if not isinstance(fields, dict):
        raise PoisonJobError(f"not a job: {quoted(raw)} is JSON, but not an object with a class and args")
    return Payload(raw, fields)


def quoted(raw: bytes) -> str:
    """Bytes as a message shows them, shortened."""
    return repr(raw) if len(raw) <= _LONGEST_QUOTE else f"{raw[:_LONGEST_QUOTE]!r}… ({len(raw)} bytes)"


def dump(fields: Mapping[str, Any], dialect: Dialect, *, rewritten: bool = False) -> bytes:
    """Write fields as the dialect's own encoder does.

    Args:
        fields: What to write.
        dialect: Whose encoder: Go's escapes `<`, `>` and `&`, Ruby's does not.
        rewritten: The payload was read before: go-workers2 then sorts its keys, since it decodes into a map.
    """
    if not dialect.is_go:
        return _in_order(fields).encode()
    text = (_sorted if rewritten else _in_order)(fields)
    if "&" in text or "<" in text or ">" in text or not text.isascii():
        text = text.translate(_GO_ESCAPES)
    return text.encode()


def timestamp(seconds: float, dialect: Dialect) -> float:
    """A time as the dialect writes it into a payload: float seconds, or (Sidekiq 8) integer milliseconds.

    Go writes a whole number of seconds without a fraction; Sidekiq 8 would read that as milliseconds.
    """
    if dialect.milliseconds:
        return int(seconds * 1000)
    return int(seconds) if dialect.is_go and seconds == int(seconds) else seconds


def seconds_of(value: Any, dialect: Dialect) -> float | None:
    """A time out of a payload as the dialect reads it, in seconds; None for what is no number.

    Sidekiq 8 takes an integer for milliseconds and a float for seconds; the others take both for seconds.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value / 1000 if dialect.milliseconds and isinstance(value, int) else float(value)


@dataclass(frozen=True, slots=True)
class Draft:
    """A job that is to be written for the first time.

    Attributes:
        name: Goes into `class`.
        args: Checked by `jsonsafe.check_arguments` beforehand.
        queue: The bare name of the queue.
        jid: The identifier, 24 hexadecimal digits.
        now: The time, in seconds since the epoch.
        at: When it is due, likewise. go-workers2 keeps it in the payload; Sidekiq strips it and leaves
            `enqueued_at` to the scheduler.
        options: Checked by `check_options` beforehand.
    """

    name: str
    args: tuple[Any, ...]
    queue: str
    jid: str
    now: float
    at: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def encode(draft: Draft, dialect: Dialect) -> bytes:
    """Write a new job, as the dialect's own client does."""
    return dump((_go_fields if dialect.is_go else _sidekiq_fields)(draft, dialect), dialect)


def _go_fields(draft: Draft, dialect: Dialect) -> dict[str, Any]:
    # The order is that of go-workers2's struct; with options and no time its client leaves `at` out.
    fields: dict[str, Any] = {"queue": draft.queue} if draft.queue else {}
    fields["class"] = draft.name
    fields["args"] = draft.args
    fields["jid"] = draft.jid
    fields["enqueued_at"] = timestamp(draft.now, dialect)
    options = draft.options
    for option in ("retry_count", "retry_max", "retry") if options else ():
        value = options.get(option)
        if value is not None and value is not False:
            fields[option] = value
    if draft.at is not None or not options:
        fields["at"] = timestamp(draft.now if draft.at is None else draft.at, dialect)
    return fields


_PLACED = frozenset({"retry", "jid"})


def _sidekiq_fields(draft: Draft, dialect: Dialect) -> dict[str, Any]:
    # Defaults come first and options after them, because Sidekiq merges the job into the class's options.
    options = draft.options
    retry = options.get("retry")
    fields: dict[str, Any] = {"retry": True if retry is None else retry, "queue": draft.queue}
    if options:
        fields |= {key: value for key, value in options.items() if key not in _PLACED and value is not None}
    fields["args"] = draft.args
    fields["class"] = draft.name
    fields["jid"] = draft.jid
    fields["created_at"] = timestamp(draft.now, dialect)
    if draft.at is None:
        fields["enqueued_at"] = fields["created_at"]
    return fields


def check_options(options: Mapping[str, Any], dialect: Dialect) -> None:
    """Accept options that mean something to the dialect.

    Raises:
        UsageError: One is unknown, has a value the dialect cannot use, or excludes another; with the remedy.
    """
    for name, value in options.items():
        if name not in dialect.options and not (name.startswith("unique_") and not dialect.is_go):
            raise UsageError(_unknown_option(name, dialect))
        complaint = _wrong_value(name, value, dialect)
        if value is not None and complaint:
            raise UsageError(f"{name}={value!r}: {complaint}")
    if dialect.milliseconds and "retry" in options and "retry_for" in options:
        raise UsageError("retry and retry_for exclude each other in Sidekiq 8.1; give one of them")


def _unknown_option(name: str, dialect: Dialect) -> str:
    if name == "retry_max":
        return f"{dialect.source} ignores retry_max; give the number of retries as retry={{number}}"
    known = ", ".join(dialect.options)
    return f"{dialect.source} has no option {name!r}{did_you_mean(name, dialect.options)} (it has {known})"


def _wrong_value(name: str, value: Any, dialect: Dialect) -> str | None:
    if dialect.is_go and name == "retry" and type(value) is not bool:
        return (
            "go-workers2 reads only true and false, and would drop the job after one failure; "
            "say retry=True, retry_max=N"
        )
    wanted = _VALUES.get(name)
    if wanted is None or wanted[0](value):
        return None
    return f"it must be {wanted[1]}"


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_switch_or_count(value: Any) -> bool:
    return type(value) is bool or _is_count(value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


_VALUES = {
    "retry": (_is_switch_or_count, "True, False or a number of retries"),
    "retry_max": (_is_count, "a number from 0 (go-workers2 ignores a negative one)"),
    "retry_count": (_is_count, "a number from 0"),
    "backtrace": (_is_switch_or_count, "True, False or a number of lines"),
    "dead": (lambda value: type(value) is bool, "True or False"),
    "tags": (lambda value: isinstance(value, list), "a list of strings"),
    "retry_queue": (_is_name, "a queue's name"),
    "retry_for": (lambda value: type(value) in {int, float} and value > 0, "a number of seconds"),
    "jid": (_is_name, "text"),
}


def to_job(payload: Payload, dialect: Dialect, queue: str, due_at: float | None = None) -> Job:
    """The job as the rest of the package sees it.

    Args:
        payload: What was read.
        dialect: Whose units its times are in.
        queue: The bare name of the queue that it is on, was taken from or will go to.
        due_at: Its score in a sorted set, in seconds since the epoch.
    """
    fields = payload.fields
    count = payload.retry_count
    error = fields.get("error_message")
    return Job(
        payload.jid,
        payload.name,
        payload.args,
        {},
        queue,
        seconds_of(fields.get("enqueued_at"), dialect),
        due_at,
        0 if count is None else count + 1,
        error if isinstance(error, str) else None,
        payload.raw,
    )


def poison_job(raw: bytes, queue: str, due_at: float | None = None) -> Job:
    """A stand-in for bytes that are no job, so that a list can show them: no id, and a name that says so."""
    return Job("", "(not a job)", queue=queue, due_at=due_at, raw=raw)
