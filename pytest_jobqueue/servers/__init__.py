"""Every Redis that a test or a service can have, started by one call: `serve`.

```
serve(mode) ── fake ──────► memory (engine, commands, lua) ──┐
            ├─ server ────► process ────┐                    ├──► front ──► Server
            ├─ container ─► container ──┼─► upstream ────────┘
            └─ redis:// ──► lease ──────┘
```

What a mode needs is imported when the mode is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.options import DEFAULT_IMAGE
from pytest_jobqueue.servers.server import Server as Server

if TYPE_CHECKING:
    from pytest_jobqueue.servers.provider import Provider

DEFAULT_VERSION = "7.4.0"


def serve(
    mode: str = "fake", *, port: int = 0, version: str = DEFAULT_VERSION, image: str = DEFAULT_IMAGE
) -> Server:
    """Start a Redis and give its address; use it as a context manager, or call `close()`.

    ```python
    with pytest_jobqueue.serve("fake") as server:
        run_my_service(redis_url=server.url)
    ```

    Args:
        mode: `fake`, `server`, `container`, `auto`, or a `redis://`, `rediss://` or `unix://` URL.
        port: The loopback port to listen on; 0 for any free one.
        version: The Redis version that `fake` imitates.
        image: The image for `container`.

    Raises:
        UsageError: The mode is unknown or cannot be had here, or the port is taken; with the remedy.
    """
    from pytest_jobqueue.servers.choose import choose_auto, parse_modes

    (mode, *others) = parse_modes(mode)
    if others:
        raise UsageError(f"one server has one mode, not {len(others) + 1}: {mode}, {', '.join(others)}")
    if mode == "auto":
        mode, _ = choose_auto(image=image)
    if mode == "fake":
        from pytest_jobqueue.servers.memory import MemoryBackend

        return Server("fake", MemoryBackend(version), version=version, port=port)
    return attach(_provider(mode, image), port=port)


def _provider(mode: str, image: str) -> Provider:
    if mode == "server":
        from pytest_jobqueue.servers.process import start_process

        return start_process()
    if mode == "container":
        from pytest_jobqueue.servers.container import start_container

        return start_container(image=image)
    from pytest_jobqueue.servers.lease import lease_url

    return lease_url(mode)


def attach(provider: Provider, *, port: int = 0) -> Server:
    """Put a front before a Redis that runs already; closing the server closes the provider."""
    from pytest_jobqueue.servers.upstream import UpstreamBackend

    try:
        return Server(
            provider.mode, UpstreamBackend(provider), version=provider.version, provider=provider, port=port
        )
    except BaseException:
        provider.close()
        raise
