-- Ends a job for good, for its owner only: record, event and arq's keys in one step.
-- KEYS: record, events, arq job, queue, body, lease
-- ARGV: id, token, status, field ('result' or 'error'), value, final_ttl_ms, events_max
-- Returns 1, or 0 if the job has another owner.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then return 0 end
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000000 + time[2]) / 1000)
redis.call('HDEL', KEYS[1], 'owner', 'error')
redis.call('HSET', KEYS[1], 'status', ARGV[3], ARGV[4], ARGV[5], 'finished_at', now)
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('DEL', KEYS[3], KEYS[5], KEYS[6])
local event = {'type', 'status', 'status', ARGV[3], 'at', now, 'attempt', redis.call('HGET', KEYS[1], 'attempt')}
if ARGV[4] == 'error' then
  table.insert(event, 'error')
  table.insert(event, ARGV[5])
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], '*', unpack(event))
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return 1
