-- Adds sources to a session, in place of those with the same field.
-- ARGV: session, ttl_ms of the session's sources, then for each source: field, value
write_when_full()
local sources = SESSION .. ARGV[1] .. SOURCES
for i = 3, #ARGV, 2 do own('HSET', sources, ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', sources, ARGV[2])
