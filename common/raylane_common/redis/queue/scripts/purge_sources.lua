-- Removes all sources of a session, and notes for each of its files that its bytes will be gone, so that no earlier
-- source of it comes back.
-- ARGV: session, id of the job that purges the session, ttl_ms of the notes
-- Returns how many sources were removed.
write_when_full()
local session, id, ttl_ms = ARGV[1], ARGV[2], ARGV[3]
local sources, newest = SESSION .. session .. SOURCES, SESSION .. session .. NEWEST
-- A key holds another type if another program has overwritten it. Then there is nothing to count or to note.
local removed, files = redis.pcall('HKEYS', sources), redis.pcall('HKEYS', newest)
redis.call('DEL', sources)
for _, field in ipairs(files.err and {} or files) do
  remember(session, field, now_us, 0, of_purge .. id, ttl_ms)
end
return #removed
