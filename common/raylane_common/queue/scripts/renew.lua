-- Extends a lease that its owner still holds.
-- KEYS: record, lease, queue   ARGV: id, token, lease_ms   Returns 1, or 0 if the job has another owner.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then return 0 end
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000000 + time[2]) / 1000)
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[3], 'XX', now + tonumber(ARGV[3]), ARGV[1])
return 1
