-- The table `redis` that a script gets. What needs the server is a function of Python. `invoke` runs a command:
-- it gives the reply, or nil, an error's text and whether the command itself raised it, or two nils and a status.
local base, python = ...
local fail_argument, type, select, tonumber, tostring, error =
  base.fail_argument, type, select, tonumber, tostring, error
local concat, find, floor, sub = table.concat, string.find, math.floor, string.sub
local invoke = python.invoke

-- Raise an error reply: no position, as the error handler adds it.
local function raise(text)
  error({err = text}, 0)
end

local redis = {
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
  REDIS_VERSION = python.version, REDIS_VERSION_NUM = python.version_number,
}

function redis.call(...)
  local reply, problem, status = invoke(...)
  if problem then
    raise(problem)
  elseif status then
    return {ok = status}
  end
  return reply
end

function redis.pcall(...)
  local reply, problem, status = invoke(...)
  if problem then
    return {err = problem, ignore_error_stats_update = status or nil}
  elseif status then
    return {ok = status}
  end
  return reply
end

-- An argument that a C function reads as a string: the string, or nothing.
local function text_of(value)
  local kind = type(value)
  return kind == "string" and value or kind == "number" and tostring(value) or nil
end

local WRONG = "ERR wrong number or type of arguments"

-- A code is put before a message that has no blank, and one leading minus goes (Redis 7.0: luaRedisReturnSingle…).
function redis.error_reply(...)
  local message = ...
  if select("#", ...) ~= 1 or type(message) ~= "string" then
    return {err = WRONG}
  end
  if sub(message, 1, 1) == "-" then
    message = sub(message, 2)
  end
  if not find(message, " ", 1, true) then
    message = "ERR " .. message
  end
  return {err = message}
end

function redis.status_reply(...)
  local message = ...
  if select("#", ...) ~= 1 or type(message) ~= "string" then
    return {err = WRONG}
  end
  return {ok = message}
end

function redis.sha1hex(...)
  if select("#", ...) ~= 1 then
    raise("ERR wrong number of arguments")
  end
  return python.sha1hex(text_of((...)) or "")
end

function redis.setresp(...)
  if select("#", ...) ~= 1 then
    raise("ERR redis.setresp() requires one argument.")
  end
  local version = floor(tonumber((...)) or 0)
  if version ~= 2 and version ~= 3 then
    raise("ERR RESP version must be 2 or 3.")
  end
  python.setresp(version)
end

function redis.log(...)
  local count = select("#", ...)
  if count < 2 then
    raise("ERR redis.log() requires two arguments or more.")
  end
  local level = tonumber((...))
  if not level then
    raise("ERR First argument must be a number (log level).")
  elseif level < 0 or level > 3 then
    raise("ERR Invalid debug level.")
  end
  local words = {}
  for index = 2, count do
    words[index - 1] = text_of((select(index, ...))) or ""
  end
  python.log(level, concat(words, " "))
end

-- Nothing is replicated and there is no debugger, so the rest only checks what it is given.

function redis.set_repl(...)
  if select("#", ...) ~= 1 then
    raise("ERR redis.set_repl() requires two arguments.")
  end
  local flags = tonumber((...)) or 0
  if flags < 0 or flags > 3 then
    raise("ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
  end
end

function redis.replicate_commands()
  return true
end

function redis.breakpoint()
  return false
end

function redis.debug()
end

function redis.acl_check_cmd(...)
  local command = ...
  if select("#", ...) == 0 then
    raise("ERR Please specify at least one argument for this redis lib call")
  elseif not python.is_command(text_of(command) or "") then
    raise("ERR Invalid command passed to redis.acl_check_cmd()")
  end
  return true
end

return redis
