-- Writes something. A confirmation covers only what its connection has written, so it is asked for after this. A repeated
-- call may write nothing, because the first one, whose confirmation is missing, came over another connection.
write_when_full()
redis.call('SET', CONFIRMING, now, 'PX', 60000)
