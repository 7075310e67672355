-- Writes how attempts ended, each in one step and for its owner only: the job's end, or its way back into the lane.
-- ARGV: result_ttl_ms, dead_ttl_ms, then for each job: id, token, outcome, value, delay_ms
--   outcome: 'succeeded' with the result; 'failed', 'dead' (failed, kept as a dead letter) or 'cancelled' with the error;
--            'retry' with the error, 'return' (the attempt does not count) with '' or the error
-- Returns for each job 1, or 0 if it has another owner. What its owner has written before is 1 again.
ttl.ended, ttl.dead = tonumber(ARGV[1]), tonumber(ARGV[2])
local replies = {}

local function back(id, token, job, value, delay_ms, spent)
  if job.cancel_requested_at then delay_ms = 0 end
  local record = JOB .. id
  leave(id, job)
  if spent then attempt_failed(id, job, value) else job.attempt = math.max(0, job.attempt - 1) end
  if value ~= '' then redis.call('HSET', record, 'error', value) end
  -- Marked, so that the owner can be told that this was done, and nobody takes it for a lost lease.
  redis.call('HSET', record, 'owner', '-' .. token, 'attempt', job.attempt)
  redis.call('DEL', ARQ_LEASE .. id)
  if delay_ms > 0 then
    redis.call('HSET', record, 'status', 'scheduled')
    redis.call('ZADD', SCHEDULE .. job.lane, now + delay_ms, id)
    woken[job.lane] = id
    announce(id, job, 'scheduled', 'attempt', job.attempt, unpack(value ~= '' and {'error', value} or {}))
  else
    redis.call('HSET', record, 'status', 'queued')
    enter_queue(id, job, rank(job))
    announce(id, job, 'queued', 'attempt', job.attempt, unpack(value ~= '' and {'error', value} or {}))
  end
end

local function settle(id, token, outcome, value, delay_ms)
  local job = load(id)
  if not job then return 0 end
  if job.owner == '-' .. token then return 1 end
  if job.owner ~= token then return 0 end
  if final[job.status] then return 1 end
  if outcome == 'succeeded' then
    conclude(id, job, 'succeeded', 'result', value)
  elseif outcome == 'retry' or outcome == 'return' then
    back(id, token, job, value, delay_ms, outcome == 'retry')
  else
    if outcome ~= 'cancelled' then attempt_failed(id, job, value) end
    conclude(id, job, outcome == 'cancelled' and 'cancelled' or 'failed', 'error', value, outcome == 'dead')
  end
  return 1
end

for i = 3, #ARGV, 5 do
  replies[#replies + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]))
end
publish()
return replies
