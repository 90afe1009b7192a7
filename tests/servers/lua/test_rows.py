"""Every row of the `.rows` files, on both sides: see conftest."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def rows():
    for path in sorted(HERE.glob("*.rows")):
        script: list[str] = []
        for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
            if line.startswith(">"):
                script.append(line[2:])
            elif line.startswith("<"):
                reply = line[2:].encode("ascii").decode("unicode_escape").encode("latin-1")
                where = f"{path.stem}:{number - len(script)}"
                yield pytest.param("\n".join(script).encode(), reply, id=where)
                script = []


@pytest.mark.parametrize(("script", "reply"), list(rows()))
def test_reply(answer, script, reply):
    assert answer(script) == reply
