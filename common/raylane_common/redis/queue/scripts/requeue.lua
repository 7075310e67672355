-- Puts a failed or cancelled job back into its lane, with attempt 0 and without its error and worker.
-- ARGV: id, finished_at as the caller read it, 1 to start over or 0 to continue,
--       checkpoint to keep ('': the one in the record), progress to keep ('': none)
-- An upload that names a transfer has no staged bytes: its parts are on S3. Nor has a request without a checksum.
-- Returns {'ok'}, {'missing'}, {'changed'} (since the caller read it), {'body'} (the staged bytes are gone), or
-- {'unique' or 'dependency', id of the job that prevents it}.
write_when_full()
local id, record = ARGV[1], JOB .. ARGV[1]
local job = load(id)
if not job then return {'missing'} end
if job.status ~= 'failed' and job.status ~= 'cancelled' then return {'changed'} end
if refusal_of(job.lane) then return refusal_of(job.lane) end
if redis.call('HGET', record, 'finished_at') ~= ARGV[2] then return {'changed'} end
local payload = redis.call('HGET', record, 'payload') or ''
local staged = job.kind == 'upload' and string.find(payload, '"sha256"%s*:')
  and not string.find(payload, '"transfer_id"%s*:%s*"')
if staged and redis.call('EXISTS', record .. BODY) == 0 then return {'body'} end
if job.unique then
  local holder = own('GET', UNIQUE .. job.kind .. ':' .. job.unique)
  local other = holder and holder ~= id and load(holder)
  if other and not final[other.status] then return {'unique', holder} end
end
-- A dependency whose record has expired must have succeeded: otherwise this job would have failed with it.
local after = dependencies(id)
for _, other in ipairs(after) do
  local status = status_of(other)
  if status == 'failed' or status == 'cancelled' then return {'dependency', other} end
end

redis.call('HDEL', record, 'error', 'finished_at', 'worker', 'owner', 'progress', 'log_position',
  'expires_at')
if ARGV[3] == '1' then
  redis.call('HSET', record, 'round', (whole(redis.call('HGET', record, 'round')) or 0) + 1)
  -- A job that continues keeps this field: its run may still be there, and a cancel has to stop it.
  redis.call('HDEL', record, 'started_at')
end
if ARGV[4] ~= '' then redis.call('HSET', record, 'checkpoint', ARGV[4]) end
if ARGV[5] ~= '' then redis.call('HSET', record, 'progress', ARGV[5]) end
redis.call('HSET', record, 'attempt', 0, 'at', now)
-- The stream's counter continues. Followers of the new round must not take the events removed here for a gap.
local info, cleared = redis.pcall('XINFO', 'STREAM', record .. EVENTS), 0
for i = 1, #info, 2 do
  if info[i] == 'entries-added' then cleared = info[i + 1] end
end
redis.call('HSET', record, 'cleared_events', cleared)
-- Trimmed and not deleted: the ids of new events must follow those that followers have seen.
own('XTRIM', record .. EVENTS, 'MAXLEN', 0)
redis.call('DEL', record .. AFTER)
redis.call('ZREM', DEAD .. job.lane, id)
redis.call('ZREM', ENDED .. job.lane, id)
redis.call('ZREM', LOOKS .. job.lane, id)
job.status, job.attempt, job.at = 'queued', 0, now
redis.call('SET', ARQ_JOB .. id, string.format('{"t":null,"f":"%s","a":[],"k":{},"et":%d}', job.kind, now))
if job.unique then redis.call('SET', UNIQUE .. job.kind .. ':' .. job.unique, id) end
if depend(id, after) > 0 then
  redis.call('HSET', record, 'status', 'waiting')
  redis.call('ZADD', WAITING .. job.lane, now, id)
  announce(id, job, 'waiting', 'attempt', 0)
else
  release(id, job)
end
keep_until_end(id)
publish()
return {'ok'}
