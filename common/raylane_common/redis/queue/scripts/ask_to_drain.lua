-- Asks a worker to drain and stop.
-- ARGV: worker, ttl_ms of the request
write_when_full()
redis.call('SET', DRAIN .. ARGV[1], 1, 'PX', ARGV[2])
