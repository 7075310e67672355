-- A worker's sign of life in a lane.   ARGV: key of the lane's workers, worker, ttl_ms, key of its drain request
-- Returns 1 if the worker was asked to drain, else 0.
redis.call('ZADD', ARGV[1], now + ARGV[3], ARGV[2])
redis.call('ZREMRANGEBYSCORE', ARGV[1], '-inf', now)
redis.call('PEXPIRE', ARGV[1], ARGV[3])
return redis.call('EXISTS', ARGV[4])
