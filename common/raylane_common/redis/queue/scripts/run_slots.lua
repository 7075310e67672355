-- Prepended to every script that changes the status of a job: how jobs take and free the run slots of a Ray cluster.
-- See docs/decisions/0019.

-- Removes a job from the line for a run slot.
local function leave_run_line(id, job)
  if not job.run_line then return end
  own('ZREM', RUN_LINE .. job.run_line, id)
  redis.call('HDEL', JOB .. id, 'run_line')
end

-- Returns how many run slots the jobs of each session hold. Jobs without a session count as one session, named ''.
local function run_slots_by_session(cluster)
  local held = {}
  for _, id in ipairs(own('ZRANGE', RUN_SLOTS .. cluster, 0, -1)) do
    local session = redis.pcall('HGET', JOB .. id, 'session_id')
    session = type(session) == 'string' and session or ''
    held[session] = (held[session] or 0) + 1
  end
  return held
end

-- Returns the job in line that gets the next run slot, and its session. The session with the fewest slots comes first.
-- If there are several, the one that has waited longest does, since it last got a slot or since its first job was
-- ready. A job that no longer runs is removed from the line; its next attempt gets the same place again.
local function next_in_run_line(cluster, held)
  local best, best_session, best_since
  local in_line = own('ZRANGE', RUN_LINE .. cluster, 0, 999, 'WITHSCORES')
  for i = 1, #in_line, 2 do
    local id, score = in_line[i], tonumber(in_line[i + 1])
    -- The line is sorted, so all others have waited less.
    if best and not held[best_session] and score >= best_since then break end
    local known = redis.pcall('HMGET', JOB .. id, 'status', 'cancel_requested_at', 'session_id', 'priority')
    if known[1] ~= 'running' or known[2] then
      redis.call('ZREM', RUN_LINE .. cluster, id)
    else
      local session = known[3] or ''
      local served = tonumber(own('GET', RUN_SERVED .. cluster .. ':' .. session) or 0) or 0
      local since = math.max(score, served + (head_start_ms[known[4]] or 0))
      local more = best and (held[session] or 0) - (held[best_session] or 0)
      if not best or more < 0 or (more == 0 and since < best_since) then
        best, best_session, best_since = id, session, since
      end
    end
  end
  return best, best_session
end

-- Gives free run slots of a cluster to jobs in line. At most ten at a time, because each one takes a look at the whole
-- line.
local function grant_run_slots(cluster)
  if redis.call('EXISTS', RUN_LINE .. cluster) == 0 then return end
  local slots, limit = RUN_SLOTS .. cluster, whole(own('HGET', RUN_LIMITS, cluster)) or 0
  local free = math.min(10, limit - own('ZCARD', slots))
  if free <= 0 then return end
  local held = run_slots_by_session(cluster)
  for _ = 1, free do
    local id, session = next_in_run_line(cluster, held)
    if not id then return end
    redis.call('ZREM', RUN_LINE .. cluster, id)
    redis.call('ZADD', slots, now, id)
    redis.call('PEXPIRE', slots, DEAD_MS)
    redis.call('HDEL', JOB .. id, 'run_line')
    redis.call('HSET', JOB .. id, 'run_slot', cluster)
    held[session] = (held[session] or 0) + 1
    redis.call('SET', RUN_SERVED .. cluster .. ':' .. session, now_us / 1000, 'PX', 3600000)
    redis.call('PUBLISH', RUN_GRANTED, id)
  end
end

-- Frees the run slot of a job, and gives it to the next job in line.
local function free_run_slot(id, job)
  if not job.run_slot then return end
  redis.call('HDEL', JOB .. id, 'run_slot')
  own('ZREM', RUN_SLOTS .. job.run_slot, id)
  grant_run_slots(job.run_slot)
end

-- Frees the run slots that jobs no longer need. `ids` are holders of slots of the cluster; a slot is freed if its job
-- has ended, has no record, or has another cluster in its record. Returns how many slots were freed.
local function reclaim_run_slots(cluster, ids)
  local freed = 0
  for _, id in ipairs(ids) do
    local known = redis.pcall('HMGET', JOB .. id, 'status', 'run_slot')
    if not known[1] or final[known[1]] or known[2] ~= cluster then
      freed = freed + own('ZREM', RUN_SLOTS .. cluster, id)
    end
  end
  grant_run_slots(cluster)
  return freed
end
