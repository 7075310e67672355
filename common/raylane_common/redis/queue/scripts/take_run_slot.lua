-- Gives a job a run slot of a cluster, or a place in line for one. Only for the job's owner.
-- ARGV: id, token, cluster, how many runs the cluster may have at once
-- Returns {state, slots taken, jobs in line, need: whether other jobs need this job's place in its lane}
--   state: 1 (the job has a slot), 0 (it waits), -1 (it has another owner, or has ended)
--   need:  0 (no), 1 (yes: jobs are queued), 2 (at once: a job that holds a slot needs a place in the lane)
write_when_full()
local id, token, cluster, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local slots, line = RUN_SLOTS .. cluster, RUN_LINE .. cluster
local job = load(id)
if not job or job.owner ~= token or final[job.status] then return {-1, 0, 0, 0} end
if refusal_of(job.lane) then return refusal_of(job.lane) end
own('HSET', RUN_LIMITS, cluster, limit)
redis.call('PEXPIRE', RUN_LIMITS, DEAD_MS)

-- Returns the score that orders the line: the job's rank, and within a millisecond the order of enqueueing, which only
-- the history of a session holds.
local function place()
  local at_us = job.session_id and own('ZSCORE', SESSION .. job.session_id .. HISTORY, id)
  return rank(job) + (at_us and at_us / 1000 - (job.enqueued_at or now) or 1)
end

local function is_due(set, id)
  local score = tonumber(redis.call('ZSCORE', set, id) or now + 1)
  return score <= now
end

local function has_due(set)
  local head = redis.call('ZRANGE', set, 0, 0)
  return head[1] and is_due(set, head[1])
end

-- Returns whether one of these jobs, which hold run slots, waits for a worker in this job's lane.
local function one_waits_in_lane(ids)
  for _, other in ipairs(ids) do
    local known = redis.pcall('HMGET', JOB .. other, 'status', 'lane')
    if known[2] == job.lane and (known[1] == 'queued'
      or known[1] == 'scheduled' and is_due(SCHEDULE .. job.lane, other)
      or known[1] == 'running' and is_due(RUNNING .. job.lane, other)) then return true end
  end
  return false
end

local function need(ids)
  -- One job of the lane gives way per second, because one place is enough.
  if one_waits_in_lane(ids) and redis.call('SET', RUN_GIVES_WAY .. job.lane, id, 'NX', 'PX', 1000) then return 2 end
  local lane = job.lane
  return (redis.call('ZCARD', QUEUE .. lane) > 0 or has_due(SCHEDULE .. lane) or has_due(RUNNING .. lane)) and 1 or 0
end

if job.run_line ~= cluster then leave_run_line(id, job) end
if job.run_slot ~= cluster then
  -- The head was restarted, or other addresses were set. The job no longer needs its slot of the former cluster.
  free_run_slot(id, job)
  job.run_slot = false
  own('ZADD', line, place(), id)
  redis.call('PEXPIRE', line, DEAD_MS)
  redis.call('HSET', JOB .. id, 'run_line', cluster)
end
-- Checks only a few slots, so that the call takes no longer for a large cluster than for a small one.
local some = redis.call('EXISTS', slots) == 1 and own('ZRANDMEMBER', slots, 10) or {}
if job.run_slot then
  own('ZADD', slots, 'NX', now, id)
  redis.call('PEXPIRE', slots, DEAD_MS)
else
  reclaim_run_slots(cluster, some)
end
local has_slot = own('ZSCORE', slots, id)
return {has_slot and 1 or 0, redis.call('ZCARD', slots), own('ZCARD', line), has_slot and 0 or need(some)}
