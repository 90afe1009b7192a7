"""The same generated input to our engine and to a real server; the replies are equal, byte by byte."""

import json
import math
import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SHARED = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Keys of 32 bytes and more hash differently in Lua builds, and the order of an object follows the hash.
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=7)
NUMBERS = st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXT, inner, max_size=6),
    max_leaves=20,
)

# An outcome as one string, whatever its type.
SHOW = b"""
local function show(value)
  if type(value) ~= 'table' then return type(value) .. ':' .. tostring(value) end
  local keys, out = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return type(a) .. tostring(a) < type(b) .. tostring(b) end)
  for i, key in ipairs(keys) do out[i] = show(key) .. '=' .. show(value[key]) end
  return '{' .. table.concat(out, ',') .. '}'
end
local function outcome(...)
  local out = {}
  for i = 1, select('#', ...) do out[i] = show((select(i, ...))) end
  return table.concat(out, ';')
end
"""
DECODE = SHOW + b"return outcome(pcall(cjson.decode, ARGV[1]))"
RECODE = b"local ok, r = pcall(function() return cjson.encode(cjson.decode(ARGV[1])) end) return r"
PACK = b"local ok, r = pcall(function() return cmsgpack.pack(cjson.decode(ARGV[1])) end) return r"
REPACK = (
    SHOW
    + b"return outcome(pcall(function() return cmsgpack.unpack(cmsgpack.pack(cjson.decode(ARGV[1]))) end))"
)
UNPACK = SHOW + b"return outcome(pcall(cmsgpack.unpack, ARGV[1]))"
UNPACK_LIMIT = (
    SHOW + b"return outcome(pcall(cmsgpack.unpack_limit, ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])))"
)
REPLY = b"return cjson.decode(ARGV[1])"


def same(on_engine, on_server, script, *args):
    assert on_engine(script, *args) == on_server(script, *args)


@SHARED
@given(JSON, st.booleans())
def test_json(on_engine, on_server, value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    for script in (DECODE, RECODE, PACK, REPACK, REPLY):
        same(on_engine, on_server, script, text)


@SHARED
@given(JSON, st.data())
def test_broken_json(on_engine, on_server, value, data):
    text = bytearray(json.dumps(value).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.sampled_from(list(map(bytes, PIECES))))
    same(on_engine, on_server, DECODE, bytes(text))


PIECES = [
    *(bytes([code]) for code in b'{}[]:,"\\ntfu0123456789.-+eExXaINF \t\n'),
    *(
        b"",
        b"\0",
        b"\xff",
        b"\\u12",
        b"\\ud800",
        b"\\ud800\\udc00",
        b"\\udc00",
        b"nan",
        b"-inf",
        b"1e5",
        b"0x1f",
    ),
]


@SHARED
@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_almost_json(on_engine, on_server, pieces):
    same(on_engine, on_server, DECODE, b"".join(pieces))


@SHARED
@given(st.binary(max_size=30))
def test_msgpack_from_any_bytes(on_engine, on_server, data):
    same(on_engine, on_server, UNPACK, data)


@SHARED
@given(st.lists(st.integers(0, 127), max_size=5), st.integers(-1, 7), st.integers(-1, 7))
def test_msgpack_in_pieces(on_engine, on_server, numbers, limit, offset):
    same(on_engine, on_server, UNPACK_LIMIT, bytes(numbers), b"%d" % limit, b"%d" % offset)


@SHARED
@given(st.floats() | st.floats(width=32) | st.integers(-(2**64), 2**64).map(float))
def test_numbers(on_engine, on_server, number):
    if math.isnan(number):
        number = math.nan
    bits = struct.pack("<d", number)
    script = SHOW + (
        b"local n = struct.unpack('<d', ARGV[1]) "
        b"return {tostring(n), cmsgpack.pack(n), struct.pack('<d', n), struct.pack('>f', n), n, "
        b"outcome(struct.unpack('>f', struct.pack('>f', n))), outcome(pcall(cjson.encode, n))}"
    )
    same(on_engine, on_server, script, bits)


FORMATS = st.lists(
    st.sampled_from(["<", ">", "!", "!4", "!1", " ", *"bBhHlLTxfd", "i3", "I5", "i", "I2"]), max_size=8
)


@SHARED
@given(FORMATS, st.lists(st.integers(-(2**31), 2**53), min_size=8, max_size=8))
def test_struct(on_engine, on_server, letters, numbers):
    script = SHOW + (
        b"local n = {} for i = 2, #ARGV do n[i - 1] = tonumber(ARGV[i]) end "
        b"local ok, r = pcall(struct.pack, ARGV[1], unpack(n)) "
        b"return {r, outcome(pcall(struct.unpack, ARGV[1], r)), outcome(pcall(struct.size, ARGV[1]))}"
    )
    same(on_engine, on_server, script, "".join(letters).encode(), *(b"%d" % number for number in numbers))


@SHARED
@given(FORMATS, st.binary(max_size=40), st.integers(1, 5))
def test_struct_from_any_bytes(on_engine, on_server, letters, data, start):
    script = SHOW + b"return outcome(pcall(struct.unpack, ARGV[1], ARGV[2], tonumber(ARGV[3])))"
    same(on_engine, on_server, script, "".join(letters).encode(), data, b"%d" % start)


WORDS = st.integers(-(2**33), 2**33) | st.sampled_from([0, 1, -1, 2**31 - 1, 2**31, -(2**31), 2**32 - 1])


@SHARED
@given(st.tuples(WORDS, WORDS, WORDS, st.integers(-40, 40)))
def test_bit(on_engine, on_server, numbers):
    script = (
        b"local a, b, c, n = unpack(ARGV) "
        b"return {bit.band(a, b, c), bit.bor(a, b, c), bit.bxor(a, b, c), bit.bnot(a), bit.bswap(a), "
        b"bit.tobit(a), bit.lshift(a, n), bit.rshift(a, n), bit.arshift(a, n), bit.rol(a, n), bit.ror(a, n), "
        b"bit.tohex(a, n)}"
    )
    same(on_engine, on_server, script, *(b"%d" % number for number in numbers))
