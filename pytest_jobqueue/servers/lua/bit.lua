-- Bitwise operations on 32 bits, as LuaBitOp 1.0.2 inside Redis has them: results are signed.
-- Lua 5.1 has no operators for it; the three that combine bits go by nibbles through tables of 16 x 16.
local base = ...
local check_number = base.check_number
local format, floor, select, sub = string.format, math.floor, select, string.sub
local upper = string.upper

local WORD = 4294967296

-- The unsigned word that a number stands for, halves rounded to even.
local function word(number)
  if number ~= number or number >= 9007199254740992 or number <= -9007199254740992 then
    if number ~= number or number - number ~= 0 then
      return 0
    end
    return number % WORD
  end
  local below = floor(number)
  local rest = number - below
  if rest > 0.5 or (rest == 0.5 and below % 2 == 1) then
    below = below + 1
  end
  return below % WORD
end

local function signed(number)
  return number >= 2147483648 and number - WORD or number
end

-- A table of what an operation on single bits makes of two nibbles.
local function nibbles(operation)
  local result = {}
  for left = 0, 15 do
    for right = 0, 15 do
      local value, place = 0, 1
      for shift = 0, 3 do
        local a, b = floor(left / 2 ^ shift) % 2, floor(right / 2 ^ shift) % 2
        value = value + operation(a, b) * place
        place = place * 2
      end
      result[left * 16 + right] = value
    end
  end
  return result
end

local function combine(left, right, made)
  local value, place = 0, 1
  for _ = 1, 8 do
    value = value + made[left % 16 * 16 + right % 16] * place
    left, right, place = floor(left / 16), floor(right / 16), place * 16
  end
  return value
end

local function combination(operation)
  local made -- when it is first needed, as most scripts never do
  return function(...)
    made = made or nibbles(operation)
    local count = select("#", ...)
    local value = word(check_number(1, count, (...)))
    if count == 2 then
      local _, other = ...
      return signed(combine(value, word(check_number(2, count, other)), made))
    end
    for index = 2, count do
      value = combine(value, word(check_number(index, count, (select(index, ...)))), made)
    end
    return signed(value)
  end
end

local bit = {
  band = combination(function(a, b) return a * b end),
  bor = combination(function(a, b) return a + b - a * b end),
  bxor = combination(function(a, b) return (a + b) % 2 end),
}

local function unary(operation)
  return function(...)
    local value = operation(word(check_number(1, select("#", ...), (...))))
    return signed(value)
  end
end

bit.tobit = unary(function(value) return value end)
bit.bnot = unary(function(value) return WORD - 1 - value end)
bit.bswap = unary(function(value)
  local a, b, c = value % 256, floor(value / 256) % 256, floor(value / 65536) % 256
  return ((a * 256 + b) * 256 + c) * 256 + floor(value / 16777216)
end)

-- An operation on a word and a number of places, of which only five bits count.
local function shift(operation)
  return function(...)
    local count = select("#", ...)
    local value, places = ...
    value = word(check_number(1, count, value))
    places = word(check_number(2, count, places)) % 32
    local result = operation(value, places)
    return signed(result)
  end
end

local function left(value, places)
  return value % 2 ^ (32 - places) * 2 ^ places
end

local function right(value, places)
  return floor(value / 2 ^ places)
end

bit.lshift = shift(left)
bit.rshift = shift(right)
bit.arshift = shift(function(value, places)
  return floor(signed(value) / 2 ^ places) % WORD
end)
bit.rol = shift(function(value, places)
  return left(value, places) + right(value, 32 - places)
end)
bit.ror = shift(function(value, places)
  return right(value, places) + (places == 0 and 0 or left(value, 32 - places))
end)

function bit.tohex(...)
  local count = select("#", ...)
  local value, digits = ...
  value = word(check_number(1, count, value))
  digits = digits == nil and 8 or signed(word(check_number(2, count, digits)))
  local text = format("%08x", value)
  if digits < 0 then
    text, digits = upper(text), -digits
  end
  return digits >= 8 and text or digits == 0 and "" or sub(text, -digits)
end

return bit
