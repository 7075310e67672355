-- Writes the outcomes of attempts, each in one step and only for the job's owner: the job ends, or returns to its lane.
-- ARGV: lane, result_ttl_ms, dead_ttl_ms, then for each job: id, token, verdict, value, delay_ms
--   verdict: 'succeeded' with the result; 'failed', 'dead' (failed, kept as a dead letter) or 'cancelled' with the error;
--            'retry' with the error, 'return' (the attempt does not count) with '' or the error
-- Returns for each job 1, or 0 if it has another owner. Writing the same outcome again returns 1 and changes nothing.
write_when_full()
local lane, replies = ARGV[1], {}
ttl.ended, ttl.dead = tonumber(ARGV[2]), tonumber(ARGV[3])
if refusal_of(lane) then return refusal_of(lane) end

local function put_back(id, token, job, error, delay_ms, attempt_counts)
  if job.cancel_requested_at then delay_ms = 0 end
  local record = JOB .. id
  leave(id, job)
  if attempt_counts then attempt_failed(id, job, error) else job.attempt = math.max(0, job.attempt - 1) end
  if error ~= '' then redis.call('HSET', record, 'error', error) end
  -- The '-' marks a job that its owner has returned: if the owner calls again the answer is 1, and no lease counts as lost.
  redis.call('HSET', record, 'owner', '-' .. token, 'attempt', job.attempt)
  redis.call('DEL', ARQ_LEASE .. id)
  if delay_ms > 0 then
    redis.call('HSET', record, 'status', 'scheduled')
    redis.call('ZADD', SCHEDULE .. job.lane, now + delay_ms, id)
    woken[job.lane] = id
    announce(id, job, 'scheduled', 'attempt', job.attempt, unpack(error ~= '' and {'error', error} or {}))
  else
    redis.call('HSET', record, 'status', 'queued')
    enter_queue(id, job, rank(job))
    announce(id, job, 'queued', 'attempt', job.attempt, unpack(error ~= '' and {'error', error} or {}))
  end
end

local function settle(id, token, verdict, value, delay_ms)
  local job = load(id, lane)
  if not job then return 0 end
  if job.owner == '-' .. token then return 1 end
  if job.owner ~= token then return 0 end
  if final[job.status] then return 1 end
  if verdict == 'succeeded' then
    conclude(id, job, 'succeeded', 'result', value)
  elseif verdict == 'retry' or verdict == 'return' then
    put_back(id, token, job, value, delay_ms, verdict == 'retry')
  else
    if verdict ~= 'cancelled' then attempt_failed(id, job, value) end
    conclude(id, job, verdict == 'cancelled' and 'cancelled' or 'failed', 'error', value, verdict == 'dead')
  end
  return 1
end

for i = 4, #ARGV, 5 do
  replies[#replies + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]))
end
publish()
return replies
