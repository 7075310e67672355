-- Notes that an upload is about to replace a file of a session, and removes the source of an earlier upload of the file,
-- because its bytes will be gone.
-- ARGV: session, ttl_ms of the claim, field, id, enqueued_ms, bytes, max_sources, max_bytes (0: no limit),
--       '1' to write, or '0' only to find out whether it would be refused
-- Returns {'ok', epoch us at which the upload was enqueued, 1 if the session has a source of this field, or else 0},
-- {'replaced', id of a newer upload of the file}, or {'full', number of sources, their bytes}.
write_when_full()
local session, ttl_ms, field, id, bytes = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[6])
local at_us, newest = enqueued_us(session, id, ARGV[5]), newest_of(session, field)
-- An upload that was enqueued before a purge and runs after it stores its file again.
if newest and newest.id ~= id and newest.at_us > at_us and not is_of_purge(newest) then return {'replaced', newest.id} end
local refusal = refusal_of_room(session, {[field] = bytes}, tonumber(ARGV[7]), tonumber(ARGV[8]))
if refusal then return refusal end
local exists = type(redis.pcall('HGET', SESSION .. session .. SOURCES, field)) == 'string'
if ARGV[9] == '1' then
  remember(session, field, at_us, bytes, id, ttl_ms)
  if not newest or newest.id ~= id then redis.pcall('HDEL', SESSION .. session .. SOURCES, field) end
end
return {'ok', string.format('%.0f', at_us), exists and 1 or 0}
