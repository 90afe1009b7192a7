-- What every library of ours stands on: errors that name the caller's line, as a C function's do.
-- All our chunks are called "=redis" so that they can be told from the user's; a function that a script calls
-- never leaves by a tail call, as its frame and the name it was called by would be lost.
local getinfo, error, type, select, tonumber, tostring = debug.getinfo, error, type, select, tonumber, tostring

local OURS = "=redis"
local base = {ours = OURS}

-- The position of the code that called us ("user_script:1: ", or nothing if that is C), and the name it used.
local function caller()
  local level, name = 2, nil
  while true do
    local info = getinfo(level, "nSl")
    if not info then
      return "", name
    end
    if info.source == OURS then
      name = info.name
    elseif info.what ~= "tail" then
      return info.currentline > 0 and info.short_src .. ":" .. info.currentline .. ": " or "", name
    end
    level = level + 1
  end
end

-- Raise what luaL_error would.
function base.fail(message)
  local position = caller()
  error(position .. message, 0)
end

-- Raise what luaL_argerror would.
function base.fail_argument(index, message)
  local position, name = caller()
  error(position .. "bad argument #" .. index .. " to '" .. (name or "?") .. "' (" .. message .. ")", 0)
end
local fail_argument = base.fail_argument

local function fail_type(index, expected, count, value)
  fail_argument(index, expected .. " expected, got " .. (index > count and "no value" or type(value)))
end

-- The checks below take the index and number of arguments as they were given, and the argument itself.
function base.check_string(index, count, value)
  local kind = type(value)
  if kind == "string" then
    return value
  elseif kind == "number" then
    return tostring(value)
  end
  fail_type(index, "string", count, value)
end

function base.check_number(index, count, value)
  if type(value) == "number" then
    return value
  end
  local number = type(value) == "string" and tonumber(value)
  if not number then
    fail_type(index, "number", count, value)
  end
  return number
end

function base.check_table(index, count, value)
  if type(value) ~= "table" then
    fail_type(index, "table", count, value)
  end
end

return base
