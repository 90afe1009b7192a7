"""What is shown: HTML from what the desk has seen already, one page of jobs at a time.

A part with `data-part` can be shown anew by the script while the rest stays, and a job has the same
`data-job` each time; so a reader's place can be found again.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.cli.page.asked import STATES, View
from pytest_jobqueue.cli.page.escaped import NOTHING, Html, html, joined
from pytest_jobqueue.job import error_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_jobqueue.adapters import Caps
    from pytest_jobqueue.cli.ledger import Finished, Ledger, Standing
    from pytest_jobqueue.job import Job

PER_PAGE = 50
STATIC = Path(__file__).parent / "static"
_LONGEST = 4_000  # characters of one value, or of a traceback

_EMPTY = {
    "pending": "No job waits for a worker.",
    "scheduled": "No job waits for its first run.",
    "retrying": "No job waits to run again.",
    "running": "No worker has a job in its hands.",
    "waiting": "No job waits for another job.",
    "failed": "No job that failed for good is kept.",
    "finished": "No job has run since the start.",
}
# What can be done with a job of this state: the method of the binding, and how it is called here.
_ACTIONS = {
    "pending": (("discard", "Delete"),),
    "scheduled": (("requeue", "Run now"), ("discard", "Delete")),
    "retrying": (("requeue", "Retry now"), ("discard", "Delete")),
    "waiting": (("discard", "Delete"),),
    "failed": (("requeue", "Retry"), ("discard", "Delete")),
}
_STATUS = {
    "ok": ("✓", "done"),
    "failed": ("✗", "failed"),
    "retrying": ("↻", "failed, runs again"),
    "dropped": ("∅", "dropped"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """What does not change while the page is served.

    Attributes:
        redis: The URL that is shown.
        app: The application's path; "" for none.
        workers: How many worker processes there are.
        caps: What the job library can do.
        can: Which of the optional methods of a binding there are: `requeue`, `discard`.
        token: What a request that changes something brings.
    """

    redis: str
    app: str
    workers: int
    caps: Caps
    can: frozenset[str]
    token: str


@dataclass(frozen=True, slots=True)
class Now:
    """What does change.

    Attributes:
        standing: The jobs on the server.
        ledger: What became of jobs.
        is_paused: Whether no worker process takes jobs.
        is_changing: Whether that is about to change.
        at: Seconds since the epoch.
    """

    standing: Standing
    ledger: Ledger
    is_paused: bool
    is_changing: bool
    at: float


@dataclass(frozen=True, slots=True)
class Typed:
    """The form for a job, as it was sent, and what was wrong with it."""

    fields: Mapping[str, str]
    error: str


def whole(place: Place, now: Now, view: View, notice: str = "", typed: Typed | None = None) -> Html:
    """The page."""
    typed = typed or Typed({}, "")
    return html(
        _template("page.html"),
        redis=place.redis,
        notice=notice,
        workers=_workers(place, now, view),
        queues=_queues(now, view),
        states=_states(now, view),
        jobs=_jobs(place, now, view),
        enqueue=_enqueue(place, now, view, typed),
    )


@cache
def _template(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _token(place: Place) -> Html:
    return html('<input type="hidden" name="token" value="{}">', place.token)


def _button(action: str, text: str, *, plain: bool = True) -> Html:
    return html(
        '<button name="action" value="{}"{}>{}</button>',
        action,
        NOTHING if plain else Html(' class="strong"'),
        text,
    )


def _form(place: Place, view: View, address: str, inner: Iterable[Any]) -> Html:
    return html(
        '<form method="post" action="{}">{}<input type="hidden" name="view" value="{}">{}</form>',
        address,
        _token(place),
        view.query,
        joined(inner),
    )


# Workers


def _workers(place: Place, now: Now, view: View) -> Html:
    if not place.app:
        return html("<p>None: start with <code>--app module:attribute</code> to have jobs run.</p>")
    if now.is_changing:
        said = "Changing: a job that runs may finish first."
    elif now.is_paused:
        said = "Paused: no job is taken, except by a step."
    else:
        said = f"Running ({place.workers})."
    buttons = [_button("step", "Step: run one job")] if now.is_paused else [_button("pause", "Pause")]
    if now.is_paused and place.workers:
        buttons.insert(0, _button("resume", "Resume"))
    return html("<p>{}</p>{}", said, _form(place, view, "/workers", buttons))


# Queues and states


def _queues(now: Now, view: View) -> Html:
    depth = Counter(job.queue for job in now.standing.pending)
    names = list(dict.fromkeys([*now.standing.queues, *depth, *([view.queue] if view.queue else [])]))
    everywhere = view.at(queue="", page=1)
    items = [_queue_link(everywhere, "All queues", sum(depth.values()), current=not view.queue)]
    items += [
        _queue_link(view.at(queue=name, page=1), name, depth[name], current=name == view.queue)
        for name in names
    ]
    return html("<ul>{}</ul>", joined(items))


def _queue_link(view: View, name: str, depth: int, *, current: bool) -> Html:
    return html(
        '<li><a href="{}"{}><span class="name">{}</span> <b>{}</b></a></li>',
        view.url,
        Html(' aria-current="true"') if current else NOTHING,
        name,
        f"{depth:,}",
    )


def _found(now: Now, state: str, queue: str) -> Sequence[Job | Finished]:
    found: Sequence[Any]
    if state == "finished":
        found = now.ledger.finished
        return [run for run in found if run.job.queue == queue] if queue else list(found)
    found = getattr(now.standing, state)
    if state == "running":
        # What workers tell and what the server shows is the same job.
        told = {job.id: job for job, _ in now.ledger.in_hand.values()}
        found = [*told.values(), *(job for job in found if job.id not in told)]
    return [job for job in found if job.queue == queue] if queue else found


def _states(now: Now, view: View) -> Html:
    return html(
        "<ul>{}</ul>",
        joined(
            html(
                '<li><a href="{}"{}>{} <b>{}</b></a></li>',
                view.at(state=state, page=1).url,
                Html(' aria-current="page"') if state == view.state else NOTHING,
                state.capitalize(),
                f"{len(_found(now, state, view.queue)):,}",
            )
            for state in STATES
        ),
    )


# Jobs


def _jobs(place: Place, now: Now, view: View) -> Html:
    found = _found(now, view.state, view.queue)
    pages = max(math.ceil(len(found) / PER_PAGE), 1)
    view = view.at(page=min(view.page, pages))
    first = (view.page - 1) * PER_PAGE
    shown = found[first : first + PER_PAGE]
    runs = _last_runs(now.ledger)
    rows: list[Html] = [
        _run(run) if view.state == "finished" else _job(place, now, view, run, runs) for run in shown
    ]
    return joined(
        [
            html(
                '<h2 tabindex="-1">{}{}</h2>',
                f"{view.state.capitalize()} jobs",
                html(" on <code>{}</code>", view.queue) if view.queue else NOTHING,
            ),
            _next(place, now, view),
            html('<ol class="jobs" start="{}">{}</ol>', first + 1, joined(rows))
            if rows
            else html('<p class="empty">{}</p>', _EMPTY[view.state]),
            _pager(view, pages, first, len(shown), len(found)) if pages > 1 else NOTHING,
        ]
    )


def _next(place: Place, now: Now, view: View) -> Html:
    """The button that makes the soonest of the later ones ready."""
    if "requeue" not in place.can or view.state not in ("scheduled", "retrying"):
        return NOTHING
    job = soonest(now.standing)
    if job is None:
        return NOTHING
    return _form(place, view, "/next", [_button("next", "Run the next due job now", plain=False)])


def soonest(standing: Standing) -> Job | None:
    """The job that will be due first of all."""
    later = [job for job in (*standing.scheduled, *standing.retrying) if job.due_at is not None]
    return min(later, key=lambda job: job.due_at or 0.0, default=None)


def _pager(view: View, pages: int, first: int, shown: int, total: int) -> Html:
    def link(page: int, text: str, rel: str) -> Html:
        if not 1 <= page <= pages or page == view.page:
            return html('<span class="off">{}</span>', text)
        return html('<a href="{}" rel="{}">{}</a>', view.at(page=page).url, rel, text)

    return html(
        '<nav class="pager" aria-label="Pages">{} {} <span>{}</span> {} {}</nav>',
        link(1, "First", "first"),
        link(view.page - 1, "Previous", "prev"),
        f"{first + 1:,} to {first + shown:,} of {total:,}",
        link(view.page + 1, "Next", "next"),
        link(pages, "Last", "last"),
    )


def _job(place: Place, now: Now, view: View, job: Any, runs: Mapping[str, Finished]) -> Html:
    run, error = _last_error(job, runs) if view.state in ("scheduled", "retrying", "failed") else (None, "")
    since = next((at for one, at in now.ledger.in_hand.values() if one is job), None)
    facts = [
        ("Due", NOTHING if job.due_at is None else _due(job.due_at, now.at)),
        ("Runs since", NOTHING if since is None else _moment(since)),
        ("Attempts", NOTHING if job.attempts is None else job.attempts),
    ]
    actions = [
        _button(does, text) for does, text in _ACTIONS.get(view.state, ()) if does in place.can and job.id
    ]
    form = NOTHING
    if actions:
        names = (("state", view.state), ("id", job.id))
        hidden = [html('<input type="hidden" name="{}" value="{}">', *pair) for pair in names]
        form = _form(place, view, "/jobs", [*hidden, *actions])
    return _row(job.id, job, facts, error=error, traceback=run.traceback if run else "", form=form)


def _last_error(job: Job, runs: Mapping[str, Finished]) -> tuple[Finished | None, str]:
    """What the last run told, if the job library tells of no other error since; and the error."""
    run, stored = runs.get(job.id), job.error or ""
    if run is None or not (stored in run.error or run.error in stored):
        return None, stored
    return run, run.error


def _one_line(error: str) -> str:
    """The line of an error, or of a traceback, that says most."""
    lines = error.strip().splitlines()
    line = lines[-1 if lines[0].startswith("Traceback") else 0]
    return _short(line, 300)


def _run(run: Any) -> Html:
    mark, word = _STATUS[run.status]
    status = html(
        '<span class="status {}"><span aria-hidden="true">{}</span> {}</span>', run.status, mark, word
    )
    facts = [
        ("Ended", _moment(run.at)),
        ("Took", f"{run.seconds * 1e3:,.0f} ms" if run.seconds < 1 else f"{run.seconds:,.1f} s"),
    ]
    return _row(
        f"{run.job.id} {run.at}", run.job, facts, status=status, error=run.error, traceback=run.traceback
    )


def _row(
    key: str,
    job: Job,
    facts: Sequence[tuple[str, Any]],
    *,
    status: Html = NOTHING,
    error: str,
    traceback: str,
    form: Html = NOTHING,
) -> Html:
    facts = [("Queue", html("<code>{}</code>", job.queue)), ("Id", html("<code>{}</code>", job.id)), *facts]
    return html(
        '<li class="job" data-job="{key}"><div class="what"><p class="call">{status}<code>{call}</code></p>'
        '<dl class="facts">{facts}</dl>{error}</div>{form}'
        '<details><summary>Details<span class="hidden"> of {id}</span></summary>{details}</details></li>',
        key=key,
        id=job.id,
        status=status,
        call=_call_string(job),
        facts=_list(facts),
        error=html('<p class="error">{}</p>', _one_line(error)) if error.strip() else NOTHING,
        details=_details(job, error, traceback),
        form=form,
    )


def _details(job: Job, error: str, traceback: str) -> Html:
    values: list[tuple[str, Any]] = [("Name", html("<code>{}</code>", job.name))]
    values += [(f"Argument {number}", _value(value)) for number, value in enumerate(job.args, 1)]
    values += [(f"Argument {name}", _value(value)) for name, value in job.kwargs.items()]
    if job.enqueued_at is not None:
        values.append(("Enqueued", _moment(job.enqueued_at)))
    text = traceback or error
    return html(
        '<dl class="values">{}</dl>{}',
        _list(values),
        html('<pre tabindex="0" role="region" aria-label="Traceback">{}</pre>', _short(text, 4 * _LONGEST))
        if text
        else NOTHING,
    )


def _list(pairs: Iterable[tuple[str, Any]]) -> Html:
    return joined(html("<div><dt>{}</dt><dd>{}</dd></div>", *pair) for pair in pairs if pair[1] != "")


def _value(value: Any) -> Html:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 (the service's own class; the page must be shown all the same)
        text = f"<it cannot be shown: {error_text(error)}>"
    return html("<code>{}</code>", _short(text, _LONGEST))


def _call_string(job: Job) -> str:
    try:
        return job.call_string
    except Exception:  # noqa: BLE001 (likewise)
        return f"{job.name}(…)"


def _short(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} … ({len(text) - longest:,} characters are left out) … {text[-half:]}"


def _last_runs(ledger: Ledger) -> dict[str, Finished]:
    """The last run of each job that has an error."""
    return {run.job.id: run for run in reversed(ledger.finished) if run.error}


# Times


def _moment(at: float) -> Html:
    try:
        there = time.localtime(at)
    except (OverflowError, ValueError, OSError):  # nanoseconds by mistake, for example
        return html("{}", f"{at:g}")
    today = time.localtime()[:3] == there[:3]
    text = time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S", there)
    return html('<time datetime="{}">{}</time>', time.strftime("%Y-%m-%dT%H:%M:%S%z", there), text)


def _due(at: float, now: float) -> Html:
    return html('{} <span data-due="{}">{}</span>', _moment(at), f"{at:.3f}", _until(at - now))


def _until(seconds: float) -> str:
    """How long until then, as the script says it too."""
    if seconds <= 0:
        return "due"
    if not math.isfinite(seconds):
        return "never"
    for unit, length, enough in (
        ("s", 1, 120),
        ("min", 60, 7200),
        ("h", 3600, 172800),
        ("days", 86400, math.inf),
    ):
        if seconds < enough:
            return f"in {math.ceil(seconds / length)} {unit}"
    return ""


# A job by hand


def _enqueue(place: Place, now: Now, view: View, typed: Typed) -> Html:
    def field(name: str, label: str, hint: str, more: str = "") -> Html:
        return html(
            '<p class="field"><label for="new-{0}">{1}</label>'
            '<input id="new-{0}" name="{0}" value="{2}" aria-describedby="hint-{0} enqueue-error"{3} '
            'autocomplete="off" autocapitalize="none" spellcheck="false">'
            '<span class="hint" id="hint-{0}">{4}</span></p>',
            name,
            label,
            typed.fields.get(name, ""),
            Html(more),
            hint,
        )

    inner = [
        field("name", "Name", "What the job library calls it.", ' required list="names"'),
        field("args", "Arguments", 'A JSON list: [2, "three"]'),
        field("kwargs", "Keyword arguments", 'A JSON object: {"to": "Ann"}')
        if place.caps.kwargs
        else NOTHING,
        field("queue", "Queue", "Empty for the usual one.", ' list="queues"'),
        field("delay", "Delay", "Seconds; empty for at once.", ' inputmode="decimal"')
        if place.caps.delays
        else NOTHING,
        html('<p class="error" id="enqueue-error" role="alert">{}</p>', typed.error),
        _button("enqueue", "Enqueue", plain=False),
        html('<datalist id="names">{}</datalist>', _options(_names(now))),
        html('<datalist id="queues">{}</datalist>', _options(now.standing.queues)),
    ]
    return _form(place, view, "/enqueue", inner)


def _names(now: Now) -> list[str]:
    """The names of jobs that were seen lately."""
    jobs = [run.job for run in now.ledger.finished] + list(now.standing.pending[:PER_PAGE])
    return sorted({job.name for job in jobs})


def _options(values: Iterable[str]) -> Html:
    return joined(html('<option value="{}"></option>', value) for value in values)
