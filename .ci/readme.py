"""Print the n-th `sh` block of the README, so that CI runs the very commands that a reader copies."""

# ruff: noqa: INP001, T201 (a script)

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def main() -> None:
    """Print block number `sys.argv[1]`, counted from one."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    print(blocks[int(sys.argv[1]) - 1], end="")


if __name__ == "__main__":
    main()
