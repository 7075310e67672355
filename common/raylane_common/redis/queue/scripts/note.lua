-- Writes one field and one event of a running job, only for the job's owner.
-- ARGV: id, token, field ('' for none), value, event type ('' for none), event field, event value
-- Returns 1, or 0 if the job has another owner or has ended.
write_when_full()
local record = JOB .. ARGV[1]
local known = redis.pcall('HMGET', record, 'owner', 'status')
if known[1] ~= ARGV[2] or final[known[2]] then return 0 end
if ARGV[3] ~= '' then redis.call('HSET', record, ARGV[3], ARGV[4]) end
if ARGV[5] ~= '' then
  own('XADD', record .. EVENTS, 'MAXLEN', '~', EVENTS_MAX, '*', 'type', ARGV[5], 'at', now, ARGV[6], ARGV[7])
end
return 1
