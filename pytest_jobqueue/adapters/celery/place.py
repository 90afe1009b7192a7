"""Where an application leads: to our Redis while it lasts, and afterwards as before.

Nothing of the application's configuration is written to: a mapping of our own is laid before it, and taken
away. Environment variables that Celery would obey instead lead to the same place, for child processes too.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.adapters.celery.innards import Caches, Tallies, current
from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from celery import Celery

_REDIS = ("redis", "rediss", "sentinel")
_BROKER_KEYS = ("broker_url", "broker_read_url", "broker_write_url")
_BROKER_VARIABLES = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
_BACKEND_VARIABLE = "CELERY_RESULT_BACKEND"
# Ways of getting in that go with the old place, and what would keep messages from any queue.
_ELSEWHERE = {
    **dict.fromkeys(("broker_user", "broker_password", "broker_vhost", "broker_port")),
    **dict.fromkeys(("redis_username", "redis_password", "redis_backend_credential_provider")),
    "broker_use_ssl": False,
    "redis_backend_use_ssl": False,
    "task_always_eager": False,
}


class Place:
    """A Celery application that leads to another Redis and puts every task on a queue, until `restore`.

    The application is made ready as a worker does: its configuration is read, its task modules are imported.
    A result backend in Redis moves along; another one, and none, stays what it is.

    Args:
        app: The application.
        url: Where it is to lead.

    Raises:
        UsageError: The application is configured for another kind of broker.
    """

    def __init__(self, app: Celery, url: str) -> None:
        check_brokers(app)
        self._app = app
        laid = {
            **_ELSEWHERE,
            **dict.fromkeys(_BROKER_KEYS, url),
            **_transport(app),
            **_backend(app, url),
        }
        self._laid = {**laid, **_with_namespace(app, laid)}
        self._environment = {name: os.environ[name] for name in _BROKER_VARIABLES if os.environ.get(name)}
        led = dict.fromkeys(self._environment, url)
        if "result_backend" in self._laid and os.environ.get(_BACKEND_VARIABLE):
            self._environment[_BACKEND_VARIABLE] = os.environ[_BACKEND_VARIABLE]
            led[_BACKEND_VARIABLE] = self._laid["result_backend"]
        app.conf.maps.insert(0, self._laid)
        os.environ.update(led)
        self._caches = Caches(app)
        self._tallies = Tallies()
        self._current = current(app)
        self._current.__enter__()
        try:
            app.loader.init_worker()
            app.finalize()
        except BaseException:
            self.restore()
            raise

    def restore(self) -> None:
        """Lead where it led before."""
        self._current.__exit__(None, None, None)
        self._tallies.restore()
        self._caches.restore()
        maps = self._app.conf.maps
        maps[:] = [mapping for mapping in maps if mapping is not self._laid]
        os.environ.update(self._environment)


def check_brokers(app: Celery) -> None:
    """Raise an error if the application's broker is neither Redis nor left open.

    No broker at all and the one in memory, which both stand in many a test's configuration, are left open.
    """
    conf = app.conf
    for key in _BROKER_KEYS:
        for url in _urls(getattr(conf, key)):
            scheme = url.partition("://")[0] if "://" in url else str(conf.broker_transport or url)
            if not url or scheme.partition("+")[0] in (*_REDIS, "memory"):
                continue
            raise UsageError(
                f"the Celery application {app.main or app!r} has {key}={_without_password(url)!r}, and this "
                "adapter is for Redis: give it a redis:// URL for these tests (jobqueue_app), or test it on "
                "its own broker"
            )


def _urls(configured: Any) -> list[str]:
    """A broker setting is one URL, several with semicolons, a list, or nothing."""
    if isinstance(configured, str):
        return configured.split(";")
    return [url for part in configured or () for url in _urls(part)]


def _without_password(url: str) -> str:
    return re.sub(r"(://[^/@]*?):[^/@]*@", r"\1:**@", url)


def _with_namespace(app: Celery, laid: dict[str, Any]) -> dict[str, Any]:
    """The same under the names that go before the plain ones, such as Django's `CELERY_BROKER_URL`."""
    prefix = app.conf.prefix
    if not prefix:
        return {}
    case = str.upper if prefix.isupper() else str.lower
    return {case(prefix + key): value for key, value in laid.items()}


def _transport(app: Celery) -> dict[str, Any]:
    """A transport that goes with the URL's scheme leaves with it; a class of the service's own stays."""
    named = app.conf.broker_transport
    return {"broker_transport": None} if named in (*_REDIS, "memory", None) else {}


def _backend(app: Celery, url: str) -> dict[str, str]:
    """Where results go, if they go to a Redis: `redis://…`, or `module:Class+redis://…`."""
    configured = app.conf.result_backend
    if not isinstance(configured, str) or "://" not in configured:
        return {"result_backend": url} if configured in _REDIS else {}
    scheme = configured.partition("://")[0]
    kind, plus, inner = scheme.rpartition("+")
    if inner in _REDIS:
        return {"result_backend": f"{kind}{plus}{url}" if kind not in _REDIS else url}
    return {"result_backend": url} if kind in _REDIS else {}
