-- IEEE 754 numbers and two's complement integers to and from bytes, for the libraries that pack binary data.
-- Lua 5.1 has doubles only: an integer is exact up to 2^53, beyond that it is what the double says.
local char, format, sub = string.char, string.format, string.sub
local floor, frexp, huge, ldexp = math.floor, math.frexp, math.huge, math.ldexp

local ieee754 = {}

-- A NaN's sign shows only when it is printed. 0/0 is a negative one on the machines that Redis runs on.
local NAN = 0 / 0
local NAN_IS_NEGATIVE = sub(format("%f", NAN), 1, 1) == "-"

local function nan(negative)
  return negative == NAN_IS_NEGATIVE and NAN or -NAN
end

local function is_negative(number)
  if number ~= number then
    return sub(format("%f", number), 1, 1) == "-"
  end
  return number < 0 or (number == 0 and 1 / number < 0)
end

-- The significand as an integer of `digits` + 1 bits and the biased exponent; subnormal ones have exponent 0.
local function parts(number, digits, bias)
  local fraction, exponent = frexp(number)
  exponent = exponent + bias - 1
  if exponent <= 0 then
    return ldexp(fraction, digits + exponent), 0
  end
  return ldexp(fraction, digits + 1) - ldexp(1, digits), exponent
end

-- Round half to even, as a conversion to a narrower type does.
local function round(number)
  local below = floor(number)
  local rest = number - below
  if rest > 0.5 or (rest == 0.5 and below % 2 == 1) then
    return below + 1
  end
  return below
end

-- The magnitude's significand and exponent in 32 bits, rounded; an overflow is an infinity.
local function single(number)
  if number == huge then
    return 0, 255
  elseif number == 0 then
    return 0, 0
  end
  local significand, exponent = parts(number, 23, 127)
  significand = round(significand)
  if significand == 8388608 then
    significand, exponent = 0, exponent + 1
  end
  if exponent >= 255 then
    return 0, 255
  end
  return significand, exponent
end

-- Whether a number is the same in 32 bits.
function ieee754.is_single(number)
  if number ~= number then
    return false
  end
  number = number < 0 and -number or number
  if number == 0 or number == huge then
    return true
  end
  local significand, exponent = parts(number, 23, 127)
  return exponent < 255 and significand == floor(significand)
end

-- The four bytes of a number, most significant first.
function ieee754.single(number)
  local sign = is_negative(number) and 128 or 0
  local significand, exponent
  if number ~= number then
    significand, exponent = 4194304, 255
  else
    significand, exponent = single(number < 0 and -number or number)
  end
  return char(
    sign + floor(exponent / 2), exponent % 2 * 128 + floor(significand / 65536),
    floor(significand / 256) % 256, significand % 256
  )
end

-- The eight bytes of a number, most significant first.
function ieee754.double(number)
  local sign = is_negative(number) and 128 or 0
  local significand, exponent
  if number ~= number then
    significand, exponent = 2251799813685248, 2047
  else
    number = number < 0 and -number or number
    if number == huge then
      significand, exponent = 0, 2047
    elseif number == 0 then
      significand, exponent = 0, 0
    else
      significand, exponent = parts(number, 52, 1023)
    end
  end
  local high, low = floor(significand / 4294967296), significand % 4294967296
  return char(
    sign + floor(exponent / 16), exponent % 16 * 16 + floor(high / 65536), floor(high / 256) % 256, high % 256,
    floor(low / 16777216), floor(low / 65536) % 256, floor(low / 256) % 256, low % 256
  )
end

local function number(negative, exponent, significand, digits, most)
  local value
  if exponent == most then
    if significand ~= 0 then
      return nan(negative)
    end
    value = huge
  elseif exponent == 0 then
    value = ldexp(significand, 2 - digits - (most + 1) / 2)
  else
    value = ldexp(significand + ldexp(1, digits), exponent - digits - (most - 1) / 2)
  end
  return negative and -value or value
end

-- The number in four bytes, given as numbers, most significant first.
function ieee754.read_single(a, b, c, d)
  return number(a >= 128, a % 128 * 2 + floor(b / 128), (b % 128 * 256 + c) * 256 + d, 23, 255)
end

-- The number in eight bytes.
function ieee754.read_double(a, b, c, d, e, f, g, h)
  local significand = ((((b % 16 * 256 + c) * 256 + d) * 256 + e) * 65536 + f * 256 + g) * 256 + h
  return number(a >= 128, a % 128 * 16 + floor(b / 16), significand, 52, 2047)
end

return ieee754
