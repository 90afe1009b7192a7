"""The command line `jobqueue`: the same Redis and the same worker, without pytest, which is never imported.

```
main ── arguments ── dev ─┬─ servers         the Redis, in this process
                          ├─ parts           child processes: the service, worker processes, the desk
                          ├─ output, banner  what a reader sees
                          └─ reload, pulse   which files change, whether a real Redis is still there
desk ── ledger ── page                       what becomes of jobs, told line by line and shown in a browser
```

The application is never imported here: a child that is thrown away can be started anew with changed code.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = 2  # the exit code of whoever was called wrongly
INTERRUPTED = 130  # and of whoever was interrupted at once, as shells have it


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; a usage error is one sentence on standard error.

    Returns:
        The exit code: the service's, or 2 for a usage error.
    """
    from pytest_jobqueue.cli.arguments import parse

    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        from pytest_jobqueue.cli.dev import run

        return run(arguments)
    except UsageError as error:
        print(f"jobqueue: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:  # before anything was started that had to be stopped
        return INTERRUPTED
