-- MessagePack as the lua-cmsgpack 0.4.0 inside Redis 7.0 reads and writes it: strings are raw, there are no bin
-- and ext types, a number is packed in the shortest form that holds it, and tables deeper than 16 become nil.
local base, ieee754 = ...
local fail, fail_argument, check_string, check_number =
  base.fail, base.fail_argument, base.check_string, base.check_number
local byte, char, sub = string.byte, string.char, string.sub
local concat, floor = table.concat, math.floor
local error, next, rawget, select, type, unpack = error, next, rawget, select, type, unpack
local is_single, single, double = ieee754.is_single, ieee754.single, ieee754.double
local read_single, read_double = ieee754.read_single, ieee754.read_double

local DEEPEST = 16

local CHARS = {}
for code = 0, 255 do
  CHARS[code] = char(code)
end

-- Packing ------------------------------------------------------------------------------------------------------

local function two(number)
  return CHARS[floor(number / 256)] .. CHARS[number % 256]
end

local function four(number)
  return char(floor(number / 16777216), floor(number / 65536) % 256, floor(number / 256) % 256, number % 256)
end

local function number_bytes(number)
  if floor(number) ~= number or number >= 9223372036854775808 or number < -9223372036854775808 then
    return is_single(number) and "\202" .. single(number) or "\203" .. double(number)
  elseif number >= 0 then
    if number < 128 then
      return CHARS[number]
    elseif number < 256 then
      return "\204" .. CHARS[number]
    elseif number < 65536 then
      return "\205" .. two(number)
    elseif number < 4294967296 then
      return "\206" .. four(number)
    end
    return "\207" .. four(floor(number / 4294967296)) .. four(number % 4294967296)
  elseif number >= -32 then
    return CHARS[256 + number]
  elseif number >= -128 then
    return "\208" .. CHARS[256 + number]
  elseif number >= -32768 then
    return "\209" .. two(65536 + number)
  elseif number >= -2147483648 then
    return "\210" .. four(4294967296 + number)
  end
  return "\211" .. four(floor(number / 4294967296) % 4294967296) .. four(number % 4294967296)
end

local function string_header(length)
  if length < 32 then
    return CHARS[160 + length]
  elseif length < 256 then
    return "\217" .. CHARS[length]
  elseif length < 65536 then
    return "\218" .. two(length)
  end
  return "\219" .. four(length)
end

local function header(length, short, medium, long)
  if length < 16 then
    return CHARS[short + length]
  elseif length < 65536 then
    return medium .. two(length)
  end
  return long .. four(length)
end

local out, size

-- How many pairs a table has, and whether their keys are exactly 1 to that many.
local function shape(value)
  local count, longest, is_array = 0, 0, true
  for key in next, value do
    count = count + 1
    if type(key) ~= "number" or key < 1 or floor(key) ~= key then
      is_array = false
    elseif key > longest then
      longest = key
    end
  end
  return count, is_array and longest == count
end

local function pack(value, level)
  local kind = type(value)
  size = size + 1
  if kind == "string" then
    out[size] = string_header(#value)
    size = size + 1
    out[size] = value
  elseif kind == "number" then
    out[size] = number_bytes(value)
  elseif kind == "boolean" then
    out[size] = value and "\195" or "\194"
  elseif kind == "table" and level < DEEPEST then
    local count, is_array = shape(value)
    if is_array then
      out[size] = header(count, 144, "\220", "\221")
      for index = 1, count do
        pack(rawget(value, index), level + 1)
      end
    else
      out[size] = header(count, 128, "\222", "\223")
      for key, item in next, value do
        pack(key, level + 1)
        pack(item, level + 1)
      end
    end
  else
    out[size] = "\192"
  end
end

local cmsgpack = {
  _NAME = "cmsgpack",
  _VERSION = "lua-cmsgpack 0.4.0",
  _COPYRIGHT = "Copyright (C) 2012, Salvatore Sanfilippo",
  _DESCRIPTION = "MessagePack C implementation for Lua",
}

function cmsgpack.pack(...)
  local count = select("#", ...)
  if count == 0 then
    fail_argument(0, "MessagePack pack needs input.")
  end
  local values = {...}
  out, size = {}, 0
  for index = 1, count do
    pack(values[index], 0)
  end
  local bytes = concat(out, "", 1, size)
  out = nil
  return bytes
end

-- Unpacking ----------------------------------------------------------------------------------------------------

local data, length

local function missing()
  fail("Missing bytes in input.")
end

-- The unsigned integer in `width` bytes (at most four) at a position.
local function unsigned(position, width)
  if position + width - 1 > length then
    missing()
  end
  local a, b, c, d = byte(data, position, position + width - 1)
  if width == 1 then
    return a
  elseif width == 2 then
    return a * 256 + b
  end
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function wide(position)
  local high, low = unsigned(position, 4), unsigned(position + 4, 4)
  if high >= 2147483648 then
    high = high - 4294967296
  end
  return high * 4294967296 + low
end

local function read_string(position, count)
  if position + count - 1 > length then
    missing()
  end
  return sub(data, position, position + count - 1), position + count
end

local read

local function read_array(position, count)
  local array = {}
  for index = 1, count do
    array[index], position = read(position)
  end
  return array, position
end

local function read_map(position, count)
  local map = {}
  for _ = 1, count do
    local key, value
    key, position = read(position)
    value, position = read(position)
    if key == nil then
      error("table index is nil", 0)
    elseif key ~= key then
      error("table index is NaN", 0)
    end
    map[key] = value
  end
  return map, position
end

local function signed(position, width, limit)
  local number = unsigned(position, width)
  return number >= limit and number - 2 * limit or number, position + width
end

-- One reader for each of the codes that stand for more than themselves; all get the position after the code.
local READERS = {
  [192] = function(position) return nil, position end,
  [194] = function(position) return false, position end,
  [195] = function(position) return true, position end,
  [202] = function(position)
    unsigned(position, 4)
    return read_single(byte(data, position, position + 3)), position + 4
  end,
  [203] = function(position)
    unsigned(position, 4)
    unsigned(position + 4, 4)
    return read_double(byte(data, position, position + 7)), position + 8
  end,
  [204] = function(position) return unsigned(position, 1), position + 1 end,
  [205] = function(position) return unsigned(position, 2), position + 2 end,
  [206] = function(position) return unsigned(position, 4), position + 4 end,
  -- The library keeps 64 bits in a signed integer, so the upper half of the unsigned ones is negative.
  [207] = function(position) return wide(position), position + 8 end,
  [208] = function(position) return signed(position, 1, 128) end,
  [209] = function(position) return signed(position, 2, 32768) end,
  [210] = function(position) return signed(position, 4, 2147483648) end,
  [211] = function(position) return wide(position), position + 8 end,
  [217] = function(position) return read_string(position + 1, unsigned(position, 1)) end,
  [218] = function(position) return read_string(position + 2, unsigned(position, 2)) end,
  [219] = function(position) return read_string(position + 4, unsigned(position, 4)) end,
  [220] = function(position) return read_array(position + 2, unsigned(position, 2)) end,
  [221] = function(position) return read_array(position + 4, unsigned(position, 4)) end,
  [222] = function(position) return read_map(position + 2, unsigned(position, 2)) end,
  [223] = function(position) return read_map(position + 4, unsigned(position, 4)) end,
}

function read(position)
  local code = byte(data, position)
  if code == nil then
    missing()
  end
  position = position + 1
  if code < 128 then
    return code, position
  elseif code >= 224 then
    return code - 256, position
  elseif code < 144 then
    return read_map(position, code - 128)
  elseif code < 160 then
    return read_array(position, code - 144)
  elseif code < 192 then
    return read_string(position, code - 160)
  end
  local reader = READERS[code]
  if not reader then
    fail("Bad data format in input.")
  end
  return reader(position)
end

-- Up to `limit` values from an offset (all of them without a limit), their number, and the position after them.
local function unpack_values(bytes, limit, offset)
  data, length = bytes, #bytes
  if offset < 0 or (limit and limit < 0) then
    fail("Invalid request to unpack with offset of " .. offset .. " and limit of " .. length .. ".")
  elseif offset > length then
    fail("Start offset " .. offset .. " greater than input length " .. length .. ".")
  end
  local values, count, position = {}, 0, offset + 1
  while position <= length and (not limit or count < limit) do
    count = count + 1
    values[count], position = read(position)
  end
  data = nil
  return values, count, position > length and -1 or position - 1
end

local function integer(index, count, value)
  local number = check_number(index, count, value)
  return number < 0 and -floor(-number) or floor(number)
end

function cmsgpack.unpack(...)
  local bytes = check_string(1, select("#", ...), (...))
  local values, count = unpack_values(bytes, nil, 0)
  return unpack(values, 1, count)
end

function cmsgpack.unpack_one(...)
  local count = select("#", ...)
  local bytes, offset = ...
  offset = offset == nil and 0 or integer(2, count, offset)
  local values, _, stop = unpack_values(check_string(1, count, bytes), 1, offset)
  return stop, values[1]
end

function cmsgpack.unpack_limit(...)
  local given = select("#", ...)
  local bytes, limit, offset = ...
  limit = integer(2, given, limit)
  offset = offset == nil and 0 or integer(3, given, offset)
  bytes = check_string(1, given, bytes)
  if limit == 0 and offset == 0 then
    local values, count = unpack_values(bytes, nil, 0)
    return unpack(values, 1, count)
  end
  local values, count, stop = unpack_values(bytes, limit, offset)
  return stop, unpack(values, 1, count)
end

return cmsgpack
