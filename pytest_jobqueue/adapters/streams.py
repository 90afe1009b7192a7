"""Taking one certain entry out of a stream that a group of consumers reads, unless one of them has it."""

from __future__ import annotations

REMOVE = """
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local said = {}
    for at = 1, #group, 2 do said[group[at]] = group[at + 1] end
    if said['name'] == ARGV[1] then
        local new = '(' .. said['last-delivered-id']
        local found = redis.call('XREVRANGE', KEYS[1], ARGV[2], new, 'COUNT', 1)
        if #found > 0 and found[1][1] == ARGV[2] then return redis.call('XDEL', KEYS[1], ARGV[2]) end
    end
end
if ARGV[3] == '' then return 0 end
local idle = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], ARGV[2], ARGV[2], 1)
if #idle == 0 then return 0 end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return redis.call('XDEL', KEYS[1], ARGV[2])
"""
"""A script: 1 when it removed the entry. Its key is the stream; its arguments are the group, the entry's id,
and after how many milliseconds an entry that a consumer has counts as nobody's again, or "".
"""
