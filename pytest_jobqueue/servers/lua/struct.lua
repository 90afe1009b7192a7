-- struct.pack, unpack and size as Redis 7.0 has them: lua_struct 0.2 on a little-endian 64-bit machine.
-- A format is a row of letters: < > ! set byte order and alignment, the others stand for one value each.
local base, ieee754, bit = ...
local fail, fail_argument, check_string, check_number =
  base.fail, base.fail_argument, base.check_string, base.check_number
local byte, char, find, rep, reverse, sub =
  string.byte, string.char, string.find, string.rep, string.reverse, string.sub
local concat, floor, ceil = table.concat, math.floor, math.ceil
local select, tonumber, type, unpack = select, tonumber, type, unpack
local band = bit.band

local INT_MAX = 2147483647
local WIDEST, NATIVE_ALIGNMENT = 32, 8
local SIZES = {b = 1, B = 1, h = 2, H = 2, l = 8, L = 8, T = 8, f = 4, d = 8, x = 1}
local INTEGERS = {b = "signed", h = "signed", l = "signed", i = "signed", B = "", H = "", L = "", T = "", I = ""}

local function format_number(format, position, default)
  local _, stop, digits = find(format, "^(%d+)", position)
  if not digits then
    return default, position
  end
  local number = tonumber(digits)
  if number > INT_MAX then
    fail("integral size overflow")
  end
  return number, stop + 1
end

-- The size that a letter stands for, and the position after the number that may follow it.
local function option_size(format, position, letter)
  if letter == "c" then
    return format_number(format, position, 1)
  elseif letter == "i" or letter == "I" then
    local size, after = format_number(format, position, 4)
    if size > WIDEST then
      fail("integral size " .. size .. " is larger than limit of " .. WIDEST)
    end
    return size, after
  end
  return SIZES[letter] or 0, position
end

local function padding(length, alignment, letter, size)
  if size == 0 or letter == "c" then
    return 0
  end
  if size > alignment then
    size = alignment
  end
  return band(size - band(length, size - 1), size - 1)
end

-- Obey a letter that sets the byte order or the alignment; the position after it.
local function control(state, format, position, letter)
  if letter == " " then
    return position
  elseif letter == "<" or letter == ">" then
    state.big = letter == ">"
    return position
  elseif letter == "!" then
    local alignment, after = format_number(format, position, NATIVE_ALIGNMENT)
    if alignment <= 0 or band(alignment, alignment - 1) ~= 0 then
      fail("alignment " .. alignment .. " is not a power of 2")
    end
    state.alignment = alignment
    return after
  end
  fail_argument(1, "invalid format option '" .. letter .. "'")
end

-- A number's low 64 bits, the least significant byte first; what is wider is zero.
local function integer_bytes(number, size)
  number = number < 0 and ceil(number) or floor(number)
  if number ~= number or number >= 18446744073709551616 then
    number = 0
  elseif number < -9223372036854775808 then
    number = -9223372036854775808
  end
  local bytes = {}
  for index = 1, size < 8 and size or 8 do
    bytes[index] = number % 256
    number = floor(number / 256)
  end
  return char(unpack(bytes)) .. rep("\0", size - 8)
end

local function read_integer(bytes, signed)
  local size = #bytes < 8 and #bytes or 8
  if size == 0 then
    return 0
  end
  local high, low = 0, 0
  for index = size, 1, -1 do
    if index > 4 then
      high = high * 256 + byte(bytes, index)
    else
      low = low * 256 + byte(bytes, index)
    end
  end
  if signed and byte(bytes, size) >= 128 then
    if size > 4 then
      high = high - 256 ^ (size - 4)
    else
      low = low - 256 ^ size
    end
  end
  return high * 4294967296 + low
end

local struct = {}

local function pack_value(letter, size, index, value)
  if INTEGERS[letter] then
    return integer_bytes(check_number(index, index, value), size)
  elseif letter == "f" then
    return reverse(ieee754.single(check_number(index, index, value)))
  elseif letter == "d" then
    return reverse(ieee754.double(check_number(index, index, value)))
  end
  local text = check_string(index, index, value)
  if size == 0 then
    size = #text
  elseif #text < size then
    fail_argument(index + 1, "string too short")
  end
  return sub(text, 1, size) .. (letter == "s" and "\0" or "")
end

function struct.pack(...)
  local values = {...}
  local format = check_string(1, select("#", ...), values[1])
  local state = {big = false, alignment = 1}
  local out, count, length, argument, position = {}, 0, 0, 2, 1
  while position <= #format do
    local letter = sub(format, position, position)
    local size
    size, position = option_size(format, position + 1, letter)
    local piece = rep("\0", padding(length, state.alignment, letter, size))
    if letter == "x" then
      piece = piece .. "\0"
    elseif INTEGERS[letter] or letter == "f" or letter == "d" or letter == "s" or letter == "c" then
      local bytes = pack_value(letter, size, argument, values[argument])
      argument = argument + 1
      if state.big and letter ~= "s" and letter ~= "c" then
        bytes = reverse(bytes)
      end
      piece = piece .. bytes
    else
      position = control(state, format, position, letter)
    end
    count = count + 1
    out[count] = piece
    length = length + #piece
  end
  return concat(out, "", 1, count)
end

local function too_short()
  fail_argument(2, "data string too short")
end

-- A string's value and how many bytes of the data it takes.
local function unpack_string(letter, size, data, at, previous)
  if letter == "s" then
    local stop = find(data, "%z", at + 1)
    if not stop then
      fail("unfinished string in data")
    end
    return sub(data, at + 1, stop - 1), stop - at
  end
  if size == 0 then
    size = tonumber(previous)
    if not size then
      fail("format 'c0' needs a previous size")
    end
    size = floor(size)
    if size < 0 or at + size > #data then
      too_short()
    end
  end
  return sub(data, at + 1, at + size), size
end

function struct.unpack(...)
  local given = select("#", ...)
  local format, data, start = ...
  format = check_string(1, given, format)
  data = check_string(2, given, data)
  start = start == nil and 1 or floor(check_number(3, given, start))
  if start == 0 then
    fail_argument(3, "offset must be 1 or greater")
  end
  local state = {big = false, alignment = 1}
  local at, position, values, count = start - 1, 1, {}, 0
  while position <= #format do
    local letter = sub(format, position, position)
    local size
    size, position = option_size(format, position + 1, letter)
    at = at + padding(at, state.alignment, letter, size)
    if at < 0 or at + size > #data then
      too_short()
    end
    if letter == "s" or letter == "c" then
      local is_sized = letter == "c" and size == 0
      local value, taken = unpack_string(letter, size, data, at, values[count])
      if not is_sized then
        count = count + 1
      end
      values[count] = value
      size = taken
    elseif INTEGERS[letter] or letter == "f" or letter == "d" then
      local bytes = sub(data, at + 1, at + size)
      count = count + 1
      if INTEGERS[letter] then
        values[count] = read_integer(state.big and reverse(bytes) or bytes, INTEGERS[letter] == "signed")
      else
        bytes = state.big and bytes or reverse(bytes)
        values[count] = (letter == "f" and ieee754.read_single or ieee754.read_double)(byte(bytes, 1, size))
      end
    elseif letter ~= "x" then
      position = control(state, format, position, letter)
    end
    at = at + size
  end
  values[count + 1] = at + 1
  return unpack(values, 1, count + 1)
end

function struct.size(...)
  local format = check_string(1, select("#", ...), (...))
  local state = {big = false, alignment = 1}
  local length, position = 0, 1
  while position <= #format do
    local letter = sub(format, position, position)
    local size
    size, position = option_size(format, position + 1, letter)
    length = length + padding(length, state.alignment, letter, size)
    if letter == "s" then
      fail_argument(1, "option 's' has no fixed size")
    elseif letter == "c" and size == 0 then
      fail_argument(1, "option 'c0' has no fixed size")
    elseif not find(letter, "%w") then
      position = control(state, format, position, letter)
    end
    length = length + size
  end
  return length
end

return struct
