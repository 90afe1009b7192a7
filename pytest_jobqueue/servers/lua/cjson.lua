-- JSON as the cjson 2.1.0 inside Redis 7.0 reads and writes it, its leniency and its error texts included.
-- It is a recursive descent over one string kept in upvalues: no token is made unless an error has to name it.
local base, null = ...
local fail, fail_argument, check_string = base.fail, base.fail_argument, base.check_string
local byte, char, find, format, gsub, lower, sub =
  string.byte, string.char, string.find, string.format, string.gsub, string.lower, string.sub
local concat, floor, huge = table.concat, math.floor, math.huge
local next, rawget, select, tonumber, type = next, rawget, select, tonumber, type

local ESCAPED = '[%z\1-\31"\\/\127]'
local ESCAPES = {['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/", ["\127"] = "\\u007f"}
for code = 0, 31 do
  ESCAPES[char(code)] = format("\\u%04x", code)
end
for letter, control in next, {b = "\b", t = "\t", n = "\n", f = "\f", r = "\r"} do
  ESCAPES[control] = "\\" .. letter
end

local function new()
  local cjson = {_NAME = "cjson", _VERSION = "2.1.0", null = null}

  -- Settings, as the functions named after them change them.
  local sparse_convert, sparse_ratio, sparse_safe = false, 2, 10
  local encode_depth, decode_depth = 1000, 1000
  local precision, number_format = 14, "%.14g"
  local encode_invalid, decode_invalid = false, true
  local keep_buffer = true

  -- Encoding -------------------------------------------------------------------------------------------------

  local out, size

  local function quote(text)
    if find(text, ESCAPED) then
      text = gsub(text, ESCAPED, ESCAPES)
    end
    return '"' .. text .. '"'
  end

  local function number_text(number)
    if number ~= number or number == huge or number == -huge then
      if encode_invalid == false then
        fail("Cannot serialise number: must not be NaN or Inf")
      elseif encode_invalid == "null" then
        return "null"
      end
      return number ~= number and "nan" or number > 0 and "inf" or "-inf"
    end
    return format(number_format, number)
  end

  -- The length of a table that is to be an array, or nothing if it is to be an object.
  local function array_length(value)
    local longest, count = 0, 0
    for key in next, value do
      if type(key) ~= "number" or key < 1 or floor(key) ~= key or key > 2147483647 then
        return nil
      end
      count = count + 1
      if key > longest then
        longest = key
      end
    end
    if sparse_ratio > 0 and longest > count * sparse_ratio and longest > sparse_safe then
      if not sparse_convert then
        fail("Cannot serialise table: excessively sparse array")
      end
      return nil
    end
    return longest > 0 and longest or nil
  end

  local encode_table

  local function encode_value(value, depth)
    local kind = type(value)
    if kind == "table" then
      encode_table(value, depth + 1)
      return
    end
    size = size + 1
    if kind == "string" then
      out[size] = quote(value)
    elseif kind == "number" then
      out[size] = number_text(value)
    elseif kind == "boolean" then
      out[size] = value and "true" or "false"
    elseif value == nil or value == null then
      out[size] = "null"
    else
      fail("Cannot serialise " .. kind .. ": type not supported")
    end
  end

  local function encode_array(value, length, depth)
    for index = 1, length do
      size = size + 1
      out[size] = index == 1 and "[" or ","
      encode_value(rawget(value, index), depth)
    end
    size = size + 1
    out[size] = "]"
  end

  function encode_table(value, depth)
    if depth > encode_depth then
      fail("Cannot serialise, excessive nesting (" .. depth .. ")")
    end
    local length = array_length(value)
    if length then
      encode_array(value, length, depth)
      return
    end
    local before = "{"
    for key, item in next, value do
      local kind = type(key)
      if kind == "string" then
        key = quote(key)
      elseif kind == "number" then
        key = '"' .. number_text(key) .. '"'
      else
        fail("Cannot serialise " .. kind .. ": table key must be a number or string")
      end
      size = size + 1
      out[size] = before .. key .. ":"
      before = ","
      encode_value(item, depth)
    end
    size = size + 1
    out[size] = before == "{" and "{}" or "}"
  end

  function cjson.encode(...)
    if select("#", ...) ~= 1 then
      fail_argument(1, "expected 1 argument")
    end
    local value = ...
    out, size = {}, 0
    encode_value(value, 0)
    local text = concat(out, "", 1, size)
    out = nil
    return text
  end

  -- Decoding -------------------------------------------------------------------------------------------------

  local text

  local PLAIN = {
    [34] = '"', [47] = "/", [92] = "\\", [98] = "\b", [102] = "\f", [110] = "\n", [114] = "\r", [116] = "\t",
  }

  local function code_unit(position)
    local digits = sub(text, position, position + 3)
    return find(digits, "^%x%x%x%x$") and tonumber(digits, 16)
  end

  local function utf8(code)
    if code < 0x80 then
      return char(code)
    elseif code < 0x800 then
      return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40)
    elseif code < 0x10000 then
      return char(0xE0 + floor(code / 0x1000), 0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
    end
    return char(
      0xF0 + floor(code / 0x40000), 0x80 + floor(code / 0x1000) % 0x40,
      0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40
    )
  end

  -- The character written as \uXXXX (or as two of them) at a position, and the position after it.
  local function unicode_escape(position)
    local code = code_unit(position + 2)
    if not code then
      return nil
    end
    if code < 0xD800 or code > 0xDFFF then
      return utf8(code), position + 6
    end
    local low = code < 0xDC00 and sub(text, position + 6, position + 7) == "\\u" and code_unit(position + 8)
    if not low or low < 0xDC00 or low > 0xDFFF then
      return nil
    end
    return utf8(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00), position + 12
  end

  -- The string whose opening quote is just before `position`, and the position after its closing one; or nil,
  -- where it is broken and how.
  local function read_string(position)
    local stop = find(text, '["\\%z]', position)
    if stop and byte(text, stop) == 34 then
      return sub(text, position, stop - 1), stop + 1
    end
    local parts, count = {}, 0
    while stop do
      count = count + 1
      parts[count] = sub(text, position, stop - 1)
      local found = byte(text, stop)
      if found == 34 then
        return concat(parts, "", 1, count), stop + 1
      elseif found == 0 then
        return nil, stop, "unexpected end of string"
      end
      local letter = byte(text, stop + 1)
      local piece = PLAIN[letter]
      if piece then
        position = stop + 2
      elseif letter == 117 then
        piece, position = unicode_escape(stop)
        if not piece then
          return nil, stop, "invalid unicode escape code"
        end
      else
        return nil, stop, "invalid escape code"
      end
      count = count + 1
      parts[count] = piece
      stop = find(text, '["\\%z]', position)
    end
    return nil, #text + 1, "unexpected end of string"
  end

  -- Where strtod would stop reading, or nothing.
  local function number_end(position)
    local _, at = find(text, "^[+-]?", position)
    at = at + 1
    local _, stop = find(text, "^0[xX]%x+", at)
    if stop then
      local _, fraction = find(text, "^%.%x*", stop + 1)
      stop = fraction or stop
      local _, exponent = find(text, "^[pP][+-]?%d+", stop + 1)
      return exponent or stop
    end
    _, stop = find(text, "^%d+%.?%d*", at)
    if not stop then
      _, stop = find(text, "^%.%d+", at)
    end
    if stop then
      local _, exponent = find(text, "^[eE][+-]?%d+", stop + 1)
      return exponent or stop
    end
    local word = lower(sub(text, at, at + 7))
    return word == "infinity" and at + 7
      or (sub(word, 1, 3) == "inf" or sub(word, 1, 3) == "nan") and at + 2
      or nil
  end

  local WORDS = {inf = huge, nan = -(0 / 0)}

  local function read_number(position)
    local _, stop = find(text, "^-?%d+", position)
    if not stop or find(text, "^[.eExX]", stop + 1) then
      stop = number_end(position)
      if not stop then
        return nil, position, "invalid number"
      end
    end
    local digits = sub(text, position, stop)
    local number = tonumber(digits)
    if not number or number ~= number then
      local _, _, sign, word = find(digits, "^([+-]?)(%a%a%a)")
      number = WORDS[lower(word)]
      number = sign == "-" and -number or number
    end
    return number, stop + 1
  end

  -- Whether strtod reads here what JSON does not have: a plus, hex, leading zeros, inf, nan.
  local function is_invalid_number(position)
    return find(text, "^%+", position) or find(text, "^-?0[xX%d]", position)
      or find(text, "^-?[iI][nN][fF]", position) or find(text, "^-?[nN][aA][nN]", position)
  end

  local function skip(position)
    local code = byte(text, position)
    while code == 32 or code == 10 or code == 13 or code == 9 do
      position = position + 1
      code = byte(text, position)
    end
    return position, code
  end

  local NAMES = {
    [123] = "T_OBJ_BEGIN", [125] = "T_OBJ_END", [91] = "T_ARR_BEGIN", [93] = "T_ARR_END",
    [44] = "T_COMMA", [58] = "T_COLON", [0] = "T_END",
  }

  local function is_number(position, code)
    return code == 45 or (code >= 48 and code <= 57) or (decode_invalid and is_invalid_number(position))
  end

  -- What the token at a position is called, and where it is said to be.
  local function name_token(position, code)
    if code == nil or NAMES[code] then
      return NAMES[code or 0], position
    elseif code == 34 then
      local value, at, reason = read_string(position + 1)
      return reason or "T_STRING", value and position or at
    elseif find(text, "^true", position) or find(text, "^false", position) then
      return "T_BOOLEAN", position
    elseif find(text, "^null", position) then
      return "T_NULL", position
    elseif is_number(position, code) then
      if not decode_invalid and is_invalid_number(position) then
        return "invalid number", position
      end
      local _, _, reason = read_number(position)
      return reason or "T_NUMBER", position
    end
    return "invalid token", position
  end

  local function unexpected(expected, position, code)
    local name, at = name_token(position, code)
    fail("Expected " .. expected .. " but found " .. name .. " at character " .. at)
  end

  local decode_value

  local function descend(depth, position)
    if depth > decode_depth then
      fail("Found too many nested data structures (" .. depth .. ") at character " .. position)
    end
  end

  local function decode_object(position, depth)
    local object, code, key = {}, nil, nil
    descend(depth, position - 1)
    position, code = skip(position)
    if code == 125 then
      return object, position + 1
    end
    while true do
      if code ~= 34 then
        unexpected("object key string", position, code)
      end
      local start = position
      key, position = read_string(position + 1)
      if not key then
        unexpected("object key string", start, code)
      end
      position, code = skip(position)
      if code ~= 58 then
        unexpected("colon", position, code)
      end
      object[key], position = decode_value(position + 1, depth)
      position, code = skip(position)
      if code == 125 then
        return object, position + 1
      elseif code ~= 44 then
        unexpected("comma or object end", position, code)
      end
      position, code = skip(position + 1)
    end
  end

  local function decode_array(position, depth)
    local array, count = {}, 0
    descend(depth, position - 1)
    local at, code = skip(position)
    if code == 93 then
      return array, at + 1
    end
    while true do
      count = count + 1
      array[count], position = decode_value(position, depth)
      position, code = skip(position)
      if code == 93 then
        return array, position + 1
      elseif code ~= 44 then
        unexpected("comma or array end", position, code)
      end
      position = position + 1
    end
  end

  function decode_value(position, depth)
    local code, value, stop
    position, code = skip(position)
    if code == 34 then
      value, stop = read_string(position + 1)
      if value then
        return value, stop
      end
    elseif code == 123 then
      value, stop = decode_object(position + 1, depth + 1)
      return value, stop
    elseif code == 91 then
      value, stop = decode_array(position + 1, depth + 1)
      return value, stop
    elseif code == 116 and sub(text, position, position + 3) == "true" then
      return true, position + 4
    elseif code == 102 and sub(text, position, position + 4) == "false" then
      return false, position + 5
    elseif code == 110 and sub(text, position, position + 3) == "null" then
      return null, position + 4
    elseif code and is_number(position, code) and (decode_invalid or not is_invalid_number(position)) then
      value, stop = read_number(position)
      if value then
        return value, stop
      end
    end
    unexpected("value", position, code)
  end

  function cjson.decode(...)
    local count = select("#", ...)
    if count ~= 1 then
      fail_argument(1, "expected 1 argument")
    end
    text = check_string(1, count, (...))
    if #text >= 2 and (byte(text, 1) == 0 or byte(text, 2) == 0) then
      fail("JSON parser does not support UTF-16 or UTF-32")
    end
    local value, position = decode_value(1, 0)
    local code
    position, code = skip(position)
    if code ~= nil and code ~= 0 then
      unexpected("the end", position, code)
    end
    text = nil
    return value
  end

  -- Settings -------------------------------------------------------------------------------------------------

  local function integer(index, value, least, most)
    local number = tonumber(value)
    number = number and (number < 0 and -floor(-number) or floor(number))
    if not number or number < least or number > most then
      fail_argument(index, "expected integer between " .. least .. " and " .. format("%d", most))
    end
    return number
  end

  local function flag(index, value)
    if type(value) == "boolean" then
      return value
    elseif value == "on" then
      return true
    elseif value == "off" then
      return false
    end
    fail_argument(index, "invalid option '" .. check_string(index, index, value) .. "'")
  end

  local function none(value)
    return value == nil
  end

  function cjson.encode_sparse_array(convert, ratio, safe)
    if not none(convert) then
      sparse_convert = flag(1, convert)
    end
    if not none(ratio) then
      sparse_ratio = integer(2, ratio, 0, 2147483647)
    end
    if not none(safe) then
      sparse_safe = integer(3, safe, 0, 2147483647)
    end
    return sparse_convert, sparse_ratio, sparse_safe
  end

  function cjson.encode_max_depth(depth)
    if not none(depth) then
      encode_depth = integer(1, depth, 1, 2147483647)
    end
    return encode_depth
  end

  function cjson.decode_max_depth(depth)
    if not none(depth) then
      decode_depth = integer(1, depth, 1, 2147483647)
    end
    return decode_depth
  end

  function cjson.encode_number_precision(digits)
    if not none(digits) then
      precision = integer(1, digits, 1, 14)
      number_format = "%." .. precision .. "g"
    end
    return precision
  end

  function cjson.encode_keep_buffer(keep)
    if not none(keep) then
      keep_buffer = flag(1, keep)
    end
    return keep_buffer
  end

  function cjson.encode_invalid_numbers(setting)
    if setting == "null" then
      encode_invalid = "null"
    elseif not none(setting) then
      encode_invalid = flag(1, setting)
    end
    return encode_invalid
  end

  function cjson.decode_invalid_numbers(setting)
    if not none(setting) then
      decode_invalid = flag(1, setting)
    end
    return decode_invalid
  end

  cjson.new = new
  return cjson
end

return new()
