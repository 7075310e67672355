-- Removes the sources of a session, and notes for each of its files that its bytes will be gone, so that no earlier
-- source of it comes back. Files that were uploaded since the purge was enqueued stay.
-- ARGV: session, id of the job that purges the session, ttl_ms of the notes, enqueued_ms of the job,
--       '1' to remove tables too
-- Returns {number of sources that were removed, epoch us at which the purge was enqueued}.
write_when_full()
local session, id, ttl_ms, tables = ARGV[1], ARGV[2], ARGV[3], ARGV[5] == '1'
local sources, newest = SESSION .. session .. SOURCES, SESSION .. session .. NEWEST
local at_us = enqueued_us(session, id, ARGV[4])
-- A key holds another type if another program has overwritten it. Then there is nothing to count or to note.
local present, files, later, removed = redis.pcall('HKEYS', sources), redis.pcall('HKEYS', newest), {}, 0
for _, field in ipairs(files.err and {} or files) do
  local upload = newest_of(session, field)
  later[field] = upload and upload.at_us > at_us and not is_of_purge(upload)
  if not later[field] then remember(session, field, now_us, 0, of_purge .. id, ttl_ms) end
end
if present.err then redis.call('DEL', sources) end
for _, field in ipairs(present.err and {} or present) do
  if not later[field] and (tables or string.sub(field, 1, 5) == 'file:') then
    removed = removed + redis.call('HDEL', sources, field)
  end
end
return {removed, string.format('%.0f', at_us)}
