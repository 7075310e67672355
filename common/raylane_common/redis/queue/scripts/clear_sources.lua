-- Removes the sources of a snapshot from their session. A source that was replaced since the snapshot stays.
-- ARGV: session, then for each source: field, value in the snapshot
-- Returns how many were removed.
write_when_full()
local sources, removed = SESSION .. ARGV[1] .. SOURCES, 0
for i = 2, #ARGV, 2 do
  -- The key holds another type if another program has overwritten it. Then there is nothing to remove.
  if redis.pcall('HGET', sources, ARGV[i]) == ARGV[i + 1] then
    removed = removed + redis.call('HDEL', sources, ARGV[i])
  end
end
return removed
