-- Records a worker's heartbeat in a lane.
-- ARGV: lane, worker, ttl_ms, about (JSON for people who look at workers; '' for none)
-- Returns 1 if the worker was asked to drain, else 0.
write_when_full()
local workers = WORKERS .. ARGV[1]
local refusal = refusal_of(ARGV[1]) or refusal_of(ARGV[1], {WORKERS})
if refusal then return refusal end
redis.call('ZADD', workers, now + ARGV[3], ARGV[2])
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now)
redis.call('PEXPIRE', workers, ARGV[3])
if ARGV[4] ~= '' then redis.call('SET', ABOUT .. ARGV[2], ARGV[4], 'PX', ARGV[3]) end
return redis.call('EXISTS', DRAIN .. ARGV[2])
