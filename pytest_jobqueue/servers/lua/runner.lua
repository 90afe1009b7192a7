-- Runs one script and hands its reply to Python as one flat row of values, which crosses over in one step:
-- looking into a Lua table from Python costs about a microsecond per item.
-- A string, a whole number and nil stand for themselves; all else is `true` and a code, then what belongs to it:
--   0 n: array of n · 1: status · 2: error · 3: double · 4 n: map of n pairs · 5 n: set of n · 6: true · 7: false
--   8: verbatim string
-- A script that failed gives `false`, the error, the chunk and the line.
local base, sandbox = ...
local OURS = base.ours
local getinfo, next, rawget, select, tostring, type, unpack, xpcall =
  debug.getinfo, next, rawget, select, tostring, type, unpack, xpcall
local ceil, floor = math.ceil, math.floor
local contents = sandbox.contents

-- More values than this do not fit on the stack of a C function at once.
local ROW = 4000
local DEEPEST = 400
local LEAST_INTEGER = -9223372036854775808

-- As Redis' handler does: an error is a table, with the place of the script that the failing function was called
-- from. Our libraries are C there, so all their frames count as one.
local function handler(problem)
  if type(problem) ~= "table" then
    problem = {err = "ERR " .. tostring(problem)}
  end
  local level = 2
  local info = getinfo(level, "Sl")
  if info and info.what == "C" then
    level = level + 1
    info = getinfo(level, "Sl")
  end
  while info and (info.source == OURS or info.what == "tail") do
    level = level + 1
    info = getinfo(level, "Sl")
  end
  if info then
    problem.source, problem.line = info.source, info.currentline
  end
  return problem
end

local row, size, resp

local function put(value)
  size = size + 1
  row[size] = value
end

local function put_code(code)
  row[size + 1], row[size + 2] = true, code
  size = size + 2
end

-- What a C cast to a 64-bit integer makes of a number.
local function integer(number)
  number = number < 0 and ceil(number) or floor(number)
  if number ~= number or number >= 9223372036854775808 or number < LEAST_INTEGER then
    return LEAST_INTEGER
  end
  return number
end

local put_table

local function put_value(value, depth)
  local kind = type(value)
  if kind == "string" then
    put(value)
  elseif kind == "number" then
    put(integer(value))
  elseif kind == "boolean" then
    if resp == 3 then
      put_code(value and 6 or 7)
    else
      put(value and 1 or nil)
    end
  elseif kind == "table" then
    put_table(value, depth + 1)
  else
    put(nil)
  end
end

local function put_counted(code, depth, collection, with_values)
  put_code(code)
  local at, count = size + 1, 0
  put(0)
  for key, item in next, collection do
    count = count + 1
    put_value(key, depth)
    if with_values then
      put_value(item, depth)
    end
  end
  row[at] = count
end

local function put_array(value, depth)
  put_code(0)
  local at, index = size + 1, 1
  put(0)
  local item = rawget(value, 1)
  while item ~= nil do
    if type(item) == "string" then
      size = size + 1
      row[size] = item
    else
      put_value(item, depth)
    end
    index = index + 1
    item = rawget(value, index)
  end
  row[at] = index - 1
end

-- The kinds of reply that a table with one of these fields stands for, in the order in which Redis looks.
function put_table(value, depth)
  if depth > DEEPEST then
    put_code(2)
    put("ERR reached lua stack limit")
    return
  end
  local field = rawget(value, "err")
  if type(field) == "string" then
    put_code(2)
    put(field)
    return
  end
  field = rawget(value, "ok")
  if type(field) == "string" then
    put_code(1)
    put(field)
    return
  end
  field = rawget(value, "double")
  if type(field) == "number" then
    put_code(3)
    put(field)
    return
  end
  field = rawget(value, "map")
  if type(field) == "table" then
    put_counted(4, depth, field, true)
    return
  end
  field = rawget(value, "set")
  if type(field) == "table" then
    put_counted(5, depth, field, false)
    return
  end
  field = rawget(value, "big_number")
  if type(field) == "string" then
    put(field)
    return
  end
  field = rawget(value, "verbatim_string")
  if type(field) == "table" and type(field.string) == "string" and type(field.format) == "string" then
    put_code(8)
    put(field.string)
    return
  end
  put_array(value, depth)
end

local function reply(ok, value)
  if not ok then
    return false, type(value.err) == "string" and value.err or "ERR unknown error", value.source, value.line
  end
  local kind = type(value)
  if kind == "string" then
    return value
  elseif kind == "number" then
    return integer(value)
  elseif value == nil then
    return nil
  end
  row, size = {}, 0
  put_value(value, 0)
  local done, count = row, size
  row = nil
  if count > ROW then
    return done, count
  end
  return unpack(done, 1, count)
end

local runner = {}

-- A slice of a row that was too long to come in one step.
function runner.slice(long, first, last)
  return unpack(long, first, last)
end

function runner.setresp(version)
  resp = version
end

-- Run a chunk with `count` keys; keys and arguments follow in one row.
function runner.run(chunk, count, ...)
  local keys, arguments = {...}, {select(count + 1, ...)}
  for index = select("#", ...), count + 1, -1 do
    keys[index] = nil
  end
  return runner.run_with(chunk, keys, arguments)
end

-- Run a chunk with keys and arguments in tables, for when there are too many to be passed.
function runner.run_with(chunk, keys, arguments)
  contents.KEYS, contents.ARGV = keys, arguments
  resp = 2
  return reply(xpcall(chunk, handler))
end

return runner
