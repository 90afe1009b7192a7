"""Which arguments survive JSON, and what is said of those that do not."""

# ruff: noqa: E501 - payloads and messages are searched for, and read, in one piece

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.messages import like

from pytest_jobqueue.wire.jsonsafe import DEEPEST, check_arguments


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Text(str):
    __slots__ = ()


class Broken:
    def __repr__(self):
        raise RuntimeError


@dataclass
class Order:
    number: int


Point = namedtuple("Point", "x y")  # noqa: PYI024 - the old spelling is what services have
WHEN = dt.datetime(2026, 11, 24, tzinfo=dt.timezone.utc)


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


LOOP = []
LOOP.append(LOOP)

REFUSED = [
    (((1, 2),), "args[0]: (1, 2) is not a JSON value; it would come back as a list; pass list(…)"),
    (
        (Point(1, 2),),
        "args[0]: Point(x=1, y=2) is not a JSON value; it would come back as a list; pass list(…)",
    ),
    (({1},), "args[0]: {1} is not a JSON value; pass a sorted list"),
    ((frozenset(),), "args[0]: frozenset() is not a JSON value; pass a sorted list"),
    (
        (b"a",),
        "args[0]: b'a' is not a JSON value; pass text: .decode(), or base64 for bytes that are no text",
    ),
    (
        (1, {"when": WHEN}),
        (
            'args[1]["when"]: datetime.datetime(2026, 11, 24, 0, 0, tzinfo=datetime.timez… is not a JSON value; '
            "pass .isoformat() and parse it in the handler"
        ),
    ),
    (([1, [Colour.RED]],), "args[0][1][0]: <Colour.RED: 1> is not a JSON value; pass its .value"),
    ((Level.LOW,), "args[0]: <Level.LOW: 1> is not a JSON value; pass its .value"),
    (
        (Text("a"),),
        "args[0]: 'a' is not a JSON value; it would come back as a plain str; pass str(…)",
    ),
    (
        (OrderedDict(),),
        "args[0]: OrderedDict*() is not a JSON value; it would come back as a plain dict; pass dict(…)",
    ),
    (
        (Order(1),),
        (
            "args[0]: Order(number=1) is not a JSON value; "
            "pass dataclasses.asdict(…), or an id that the handler looks up"
        ),
    ),
    (
        (uuid.UUID(int=0),),
        (
            "args[0]: UUID('00000000-0000-0000-0000-000000000000') is not a JSON value; "
            "pass str(…) and rebuild it in the handler"
        ),
    ),
    (
        (decimal.Decimal(1),),
        "args[0]: Decimal('1') is not a JSON value; pass str(…) and rebuild it in the handler",
    ),
    (
        (pathlib.PurePosixPath("/a"),),
        "args[0]: PurePosixPath('/a') is not a JSON value; pass str(…) and rebuild it in the handler",
    ),
    ((math.nan,), "args[0]: nan is a number that JSON cannot write; pass None, or text"),
    (({"a": [-math.inf]},), 'args[0]["a"][0]: -inf is a number that JSON cannot write; pass None, or text'),
    (
        ("\ud800",),
        "args[0]: '\\ud800' has a lone surrogate, which UTF-8 cannot write; encode it with errors='replace' first",
    ),
    (
        ({"\ud800": 1},),
        (
            "args[0]: the key '\\ud800' has a lone surrogate, which UTF-8 cannot write; "
            "encode it with errors='replace' first"
        ),
    ),
    (
        ({"a": {1: 2}},),
        'args[0]["a"]: the key 1 is not a string, and a JSON key always is; pass str(key), or a list of pairs',
    ),
    (
        (Broken(),),
        "args[0]: <Broken> is not a JSON value; pass plain values, or an id that the handler looks up",
    ),
    ((nested(DEEPEST),), "args[0]" + "*" + "…: nested deeper than 100 levels, or inside itself; flatten it"),
    ((LOOP,), "args[0]" + "*" + "…: nested deeper than 100 levels, or inside itself; flatten it"),
]


@pytest.mark.parametrize(("args", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_does_not_survive_is_named_with_its_path(args, message):
    with pytest.raises(TypeError) as caught:
        check_arguments(args)
    assert like(str(caught.value), message)


@pytest.mark.parametrize(
    "args",
    [
        (),
        (1, 2.5, True, None, "text", "Zoë", [], {}),
        ([{"a": [{"b": None}]}],),
        (2**70, -(2**70)),
        ("", {"": ""}),
        (nested(DEEPEST - 1),),
    ],
)
def test_what_survives_is_accepted(args):
    check_arguments(args)
    assert json.loads(json.dumps(list(args))) == list(args)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary(max_size=3)
    | st.tuples(st.integers()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
)


@given(st.lists(VALUES, max_size=3))
def test_it_agrees_with_a_round_trip(args):
    try:
        text = json.dumps(args, ensure_ascii=False, allow_nan=False).encode()
        survives = json.loads(text) == args
    except (TypeError, ValueError):
        survives = False
    try:
        check_arguments(tuple(args))
    except TypeError:
        assert not survives
    else:
        assert survives
