-- Puts a running job back into its queue, for its owner only: after a retryable error, or when the worker stops.
-- KEYS: record, events, queue, lease
-- ARGV: id, token, delay_ms, 1 to refund the attempt or 0, error ('' = none), events_max, wake channel
-- Returns 1, or 0 if the job has another owner.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then return 0 end
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000000 + time[2]) / 1000)
local delay = tonumber(ARGV[3])
local status = 'queued'
if delay > 0 then status = 'scheduled' end
local attempt = redis.call('HINCRBY', KEYS[1], 'attempt', -tonumber(ARGV[4]))
local event = {'type', 'status', 'status', status, 'at', now, 'attempt', attempt}
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'error', ARGV[5])
  table.insert(event, 'error')
  table.insert(event, ARGV[5])
end
redis.call('HDEL', KEYS[1], 'owner', 'worker')
redis.call('HSET', KEYS[1], 'status', status)
redis.call('DEL', KEYS[4])
redis.call('ZADD', KEYS[3], now + delay, ARGV[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', unpack(event))
redis.call('PUBLISH', ARGV[7], ARGV[1])
return 1
