-- Ends the blocking read of a producer: every such read includes the reader's stream, to which this adds an entry.
-- ARGV: reader, number of the wake-up, ttl_ms of the stream
write_when_full()
local stream = READER .. ARGV[1]
-- The call may be repeated because its answer was lost.
redis.pcall('XADD', stream, 'MAXLEN', 1, ARGV[2] .. '-0', 'wake', ARGV[2])
redis.call('PEXPIRE', stream, ARGV[3])
