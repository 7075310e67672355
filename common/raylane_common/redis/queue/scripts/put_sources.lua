-- Adds sources to a session, in place of those with the same field: all of them or none.
-- ARGV: session, ttl_ms of the session's sources, max_sources, max_bytes (0: no limit), then for each source: field,
--       value, id of its upload ('' if it is no file), enqueued_ms of the upload, bytes
-- Returns {'ok'}, {'replaced', id of a newer upload, field}, or {'full', number of sources, their bytes}.
write_when_full()
local session, ttl_ms, added = ARGV[1], ARGV[2], {}
local sources = SESSION .. session .. SOURCES
for i = 5, #ARGV, 5 do
  local field, id, enqueued_ms = ARGV[i], ARGV[i + 2], tonumber(ARGV[i + 3])
  local newest = id ~= '' and newest_of(session, field)
  if newest and newest.id ~= id and newest.at_us > 0 and math.floor(newest.at_us / 1000) >= enqueued_ms then
    return {'replaced', newest.id, field}
  end
  added[field] = tonumber(ARGV[i + 4])
end
local refusal = refusal_of_room(session, added, tonumber(ARGV[3]), tonumber(ARGV[4]))
if refusal then return refusal end
for i = 5, #ARGV, 5 do
  local field, id = ARGV[i], ARGV[i + 2]
  local newest = id ~= '' and newest_of(session, field)
  if id ~= '' and not (newest and newest.id == id) then
    remember(session, field, tonumber(ARGV[i + 3]) * 1000, tonumber(ARGV[i + 4]), id, ttl_ms)
  end
  own('HSET', sources, field, ARGV[i + 1])
end
redis.call('PEXPIRE', sources, ttl_ms)
redis.call('PEXPIRE', SESSION .. session .. NEWEST, ttl_ms)
return {'ok'}
