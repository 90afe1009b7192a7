"""Between actors and messages, and between messages and jobs: values only, nothing here is sent or run."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from dramatiq import Message, get_encoder
from dramatiq.common import q_name
from dramatiq.errors import ActorNotFound, DecodeError

from pytest_jobqueue.adapters.arguments import name_refused
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dramatiq.broker import Broker

    from pytest_jobqueue.job import Call


def message_for(broker: Broker, call: Call) -> Message[Any]:
    """The message that a call asks for; it has been through the encoder once.

    Raises:
        UsageError: There is no such actor, queue or option.
        TypeError: The encoder refuses an argument.
    """
    try:
        actor = broker.get_actor(call.name)
    except ActorNotFound:
        names = sorted(broker.get_declared_actors())
        there = ", ".join(names) or "none; import the module that has them"
        raise UsageError(
            f"the broker has no actor {call.name!r}{did_you_mean(call.name, names)} (declared: {there})"
        ) from None
    known = sorted(broker.actor_options)
    for option in call.options:
        if option not in known:
            raise UsageError(
                f"{call.name}: neither Dramatiq nor a middleware of this broker has an option {option!r}"
                f"{did_you_mean(option, known)} (there are {', '.join(known)})"
            )
    message = actor.message_with_options(args=call.args, kwargs=dict(call.kwargs), **call.options)
    if call.queue is not None and call.queue != message.queue_name:
        queues = sorted(broker.get_declared_queues())
        if call.queue not in queues:
            raise UsageError(
                f"{call.name}: no actor declares the queue {call.queue!r}, so no worker would listen to it"
                f"{did_you_mean(call.queue, queues)} (declared: {', '.join(queues)})"
            )
        message = message.copy(queue_name=call.queue)
    try:
        return Message.decode(message.encode())
    except Exception as error:
        encoder = get_encoder()
        name_refused(
            call,
            error,
            f"Dramatiq's {type(encoder).__name__}",
            lambda value: encoder.encode({"value": value}),
        )
        raise


def did_you_mean(word: str, known: list[str]) -> str:
    """A hint at the nearest of the known words, or nothing."""
    close = get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def job_for(message: Any, attempts: int = 0, error: str | None = None) -> Job:
    """A message, or a consumer's proxy of one, as a job."""
    options = message.options
    eta = options.get("eta")
    return Job(
        id=message.message_id,
        name=message.actor_name,
        args=tuple(message.args),
        kwargs=dict(message.kwargs),
        queue=q_name(message.queue_name),
        enqueued_at=message.message_timestamp / 1000,
        due_at=eta / 1000 if isinstance(eta, (int, float)) else None,
        attempts=max(attempts, int(options.get("retries") or 0)),
        error=error or _last_line(options.get("traceback")),
        raw=message,
    )


def _last_line(traceback: Any) -> str | None:
    return str(traceback).strip().rpartition("\n")[2] if traceback else None


def decode(data: bytes) -> Message[Any] | None:
    """The message in some bytes, or None where Dramatiq's encoder finds none."""
    try:
        return Message.decode(data)
    except DecodeError:
        return None


def stand_in(data: bytes | None, queue: str) -> Job:
    """Bytes that are no message, as a job."""
    return Job("", "(not a message)", queue=queue, raw=data)


def followers(message: Message[Any]) -> Iterator[Message[Any]]:
    """The messages that wait for this one: the rest of its pipeline, and its group's callbacks."""
    target = message.options.get("pipe_target")
    for fields in (target, *(message.options.get("group_completion_callbacks") or ())):
        if fields:
            follower: Message[Any] = Message(**fields)
            yield follower
            yield from followers(follower)
