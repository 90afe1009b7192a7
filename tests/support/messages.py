"""Comparing a whole message with a pattern in which only `*` is special (messages are full of brackets)."""

from __future__ import annotations

import re


def like(text: str, pattern: str) -> bool:
    """Whether `text` is `pattern`, where each `*` stands for any characters."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None
