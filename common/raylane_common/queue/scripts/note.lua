-- Writes one field of a running job and one event, for its owner only.
-- KEYS: record, events   ARGV: token, field ('' = none), value, events_max, event type ('' = none), event field, event value
-- Returns 1, or 0 if the job has another owner.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000000 + time[2]) / 1000)
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], ARGV[2], ARGV[3]) end
if ARGV[5] ~= '' then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'type', ARGV[5], 'at', now, ARGV[6], ARGV[7])
end
return 1
