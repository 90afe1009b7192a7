-- The globals that a script sees, and nothing else. Redis patches Lua so that a table can be read-only; here each
-- such table is an empty proxy in front of the real one, and what would look behind it (pairs, rawget …) is told.
local base, libraries = ...
local fail, fail_argument, check_string, check_table =
  base.fail, base.fail_argument, base.check_string, base.check_table
local error, debug, select, type = error, debug, select, type
local concat, find = table.concat, string.find
local raw = {
  getmetatable = getmetatable, load = loadstring, next = next, pairs = pairs, pcall = pcall,
  rawget = rawget, rawset = rawset, setfenv = setfenv, setmetatable = setmetatable, tostring = tostring,
}

local READ_ONLY = "Attempt to modify a readonly table"
local originals = raw.setmetatable({}, {__mode = "k"}) -- by proxy
local no_metatable = {} -- proxies of tables that have none in Redis

local function refuse()
  fail(READ_ONLY)
end

-- A read-only view of a table.
local function protect(original)
  local proxy = raw.setmetatable({}, {__index = original, __newindex = refuse})
  originals[proxy] = original
  return proxy
end

local contents = {}
local environment = protect(contents)
raw.setmetatable(contents, {
  __index = function(_, name)
    fail("Script attempted to access nonexistent global variable '" .. raw.tostring(name) .. "'")
  end,
})

-- Tables of functions ------------------------------------------------------------------------------------------

local redis_version = libraries.redis.REDIS_VERSION_NUM
for _, name in raw.next, {"redis", "cjson", "cmsgpack", "struct", "bit"} do
  contents[name] = protect(libraries[name])
end
for _, name in raw.next, {"string", "table", "math", "coroutine"} do
  contents[name] = protect(_G[name])
end
contents._G, contents._VERSION = environment, _VERSION
contents.KEYS, contents.ARGV = {}, {}
for _, name in raw.next, {
  "assert", "collectgarbage", "error", "gcinfo", "ipairs", "rawequal", "select", "tonumber", "tostring", "type",
  "unpack", "xpcall",
} do
  contents[name] = _G[name]
end
if redis_version >= 0x70400 then
  contents.os = protect({clock = os.clock})
end
local of_strings = raw.getmetatable("")
of_strings.__metatable = protect({__index = contents.string})

-- Functions that look behind a proxy ---------------------------------------------------------------------------

function contents.next(...)
  local object, key = ...
  check_table(1, select("#", ...), object)
  return raw.next(originals[object] or object, key)
end

function contents.pairs(...)
  local object = ...
  check_table(1, select("#", ...), object)
  return raw.next, originals[object] or object, nil
end

function contents.rawget(...)
  local object, key = ...
  check_table(1, select("#", ...), object)
  return raw.rawget(originals[object] or object, key)
end

function contents.rawset(...)
  local object, key, value = ...
  check_table(1, select("#", ...), object)
  if originals[object] then
    error(READ_ONLY, 0)
  end
  return raw.rawset(object, key, value)
end

function contents.getmetatable(...)
  local object = ...
  if select("#", ...) == 0 then
    fail_argument(1, "value expected")
  end
  if originals[object] then
    return object == environment and no_metatable or nil
  end
  return raw.getmetatable(object)
end

function contents.setmetatable(...)
  local object, metatable = ...
  local count = select("#", ...)
  check_table(1, count, object)
  if metatable ~= nil and type(metatable) ~= "table" or count < 2 then
    fail_argument(2, "nil or table expected")
  end
  if originals[object] then
    error(READ_ONLY, 0)
  end
  local own = debug.getmetatable(object)
  if own and raw.rawget(own, "__metatable") ~= nil then
    fail("cannot change a protected metatable")
  end
  return raw.setmetatable(object, metatable)
end

-- Redis 7.0 hands out the text of an error that its own API raised, and not the table around it.
local function outcome(ok, ...)
  if ok then
    return true, ...
  end
  local problem = ...
  if type(problem) == "table" then
    local text = problem.err
    if type(text) == "string" or type(text) == "number" then
      problem = text
    end
  end
  return false, problem
end

function contents.pcall(...)
  if select("#", ...) == 0 then
    return false
  end
  return outcome(raw.pcall(...))
end

-- Source only: a chunk of bytecode could reach around every check there is.
local function compile(source, name)
  if find(source, "^\27") then
    source = " " .. source
  end
  local chunk, problem = raw.load(source, name)
  if chunk then
    raw.setfenv(chunk, environment)
  end
  return chunk, problem
end

function contents.loadstring(...)
  local source, name = ...
  source = check_string(1, select("#", ...), source)
  return compile(source, name or source)
end

function contents.load(...)
  local reader, name = ...
  if type(reader) ~= "function" then
    fail_argument(1, "function expected, got " .. (select("#", ...) == 0 and "no value" or type(reader)))
  end
  local pieces, count, piece = {}, 0, reader()
  while type(piece) == "string" and piece ~= "" do
    count = count + 1
    pieces[count] = piece
    piece = reader()
  end
  return compile(concat(pieces, "", 1, count), name or "=(load)")
end

local sandbox = {contents = contents, environment = environment}

-- A script's bytecode, as something to run among the sandbox's globals.
function sandbox.compile(bytecode)
  return raw.setfenv(raw.load(bytecode, "@user_script"), environment)
end

return sandbox
