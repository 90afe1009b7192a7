"""A worker that runs one job whenever it is told to, for whoever wants to see them one by one.

python -m pytest_jobqueue.cli.step --app my_service.jobs:handlers --url … --tell … --link 5
"""

from __future__ import annotations

import argparse
import asyncio
import uuid
from typing import TYPE_CHECKING

from pytest_jobqueue import applications, registry
from pytest_jobqueue.adapters.telling import Telling
from pytest_jobqueue.cli.links import Link
from pytest_jobqueue.settings import Settings

if TYPE_CHECKING:
    from pytest_jobqueue.adapters import Binding


def step(binding: Binding, telling: Telling) -> None:
    """Run the next job that is ready, and tell of it."""
    binding.tick()
    ready = binding.pending()
    if not ready:
        print("no job is ready")
        return
    key = uuid.uuid4().hex
    telling.began(key, ready[0])
    outcome = None
    try:
        outcome = binding.run_next()
    finally:
        telling.ended(key, outcome)


async def serve(given: argparse.Namespace) -> None:
    """Run a job for each message, until the parent is gone."""
    link = await Link.inherited(given.link)
    binding = registry.bind(applications.load_app(given.app), given.url, Settings())
    telling = Telling(given.tell)
    try:
        async for _ in link.messages():
            await asyncio.to_thread(step, binding, telling)
    finally:
        binding.close()


def main() -> None:
    """Run the worker."""
    parser = argparse.ArgumentParser(prog="python -m pytest_jobqueue.cli.step")
    for name in ("--app", "--url", "--tell"):
        parser.add_argument(name, required=True)
    parser.add_argument("--settings", default="{}")
    parser.add_argument("--link", type=int, required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
