-- Repairs what a crash may leave behind in a lane, a bounded part at a time. Running it twice does no harm.
-- ARGV: lane, worker, ms until the next sweep, jobs of one session at once (0 for any number), result_ttl_ms, dead_ttl_ms,
--       longest list of ended jobs
-- Returns how many jobs were repaired; -1 if the next sweep is not due.
write_when_full()
local lane, per_session, repaired = ARGV[1], tonumber(ARGV[4]), 0
ttl.ended, ttl.dead = tonumber(ARGV[5]), tonumber(ARGV[6])
if refusal_of(lane) then return refusal_of(lane) end
-- A key that another program wrote may last much longer, or never expire.
local due_in_ms = redis.call('PTTL', JANITOR .. lane)
if due_in_ms > 0 and due_in_ms <= tonumber(ARGV[3]) then return -1 end
redis.call('SET', JANITOR .. lane, ARGV[2], 'PX', ARGV[3])
expire_due(lane)

local function some_of(set) return redis.call('EXISTS', set) == 1 and redis.call('ZRANDMEMBER', set, 50) or {} end

-- Removes jobs without a record. A claim removes those that are due.
for _, set in ipairs({QUEUE .. lane, SCHEDULE .. lane}) do
  for _, id in ipairs(some_of(set)) do
    if redis.call('EXISTS', JOB .. id) == 0 then
      forget(id, lane)
      repaired = repaired + 1
    end
  end
end

-- Restores jobs with a score that no script writes: they would never be due.
for _, set in ipairs({SCHEDULE, RUNNING, WAITING}) do
  local too_late = string.format('(%d', now + DEAD_MS)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', set .. lane, too_late, '+inf', 'LIMIT', 0, 100)) do
    redis.call('ZREM', set .. lane, id)
    local job = load(id, lane)
    if job then restore_or_reject(id, job, 60000) end
  end
end

-- Returns whether a waiting job waits for itself, directly or through others. `searches_left` bounds the time of a
-- sweep.
local searches_left = 1000
local function waits_for_itself(id)
  local todo, seen, position = {id}, {}, 1
  while todo[position] and searches_left > 0 do
    searches_left = searches_left - 1
    for _, other in ipairs(own('SMEMBERS', JOB .. todo[position] .. AFTER)) do
      if other == id then return true end
      if not seen[other] then todo[#todo + 1] = other end
      seen[other] = true
    end
    position = position + 1
  end
  return false
end

-- Releases or fails waiting jobs that missed the end of another job, or whose other job has no record. Those checked
-- longest ago come first.
for _, id in ipairs(redis.call('ZRANGE', WAITING .. lane, 0, 99)) do
  local job = load(id, lane)
  if not job then
    forget(id, lane)
    repaired = repaired + 1
  elseif job.status ~= 'waiting' then
    redis.call('ZREM', WAITING .. lane, id)
    restore_or_reject(id, job, 60000)
    repaired = repaired + 1
  elseif waits_for_itself(id) then
    reject(id, job, 'after', 'the job waits for itself')
    repaired = repaired + 1
  else
    local failed_id
    for _, other in ipairs(own('SMEMBERS', JOB .. id .. AFTER)) do
      local status = status_of(other)
      if status == 'succeeded' then
        redis.call('SREM', JOB .. id .. AFTER, other)
      elseif not status or final[status] then
        failed_id = other
      end
    end
    if not failed_id and redis.call('EXISTS', JOB .. id .. AFTER) == 0 then
      -- All of them have ended, or another program has removed the set.
      local unmet, failed = depend(id, dependencies(id))
      failed_id = not unmet and failed
    end
    if failed_id then
      redis.call('DEL', JOB .. id .. AFTER)
      conclude(id, job, 'failed', 'error', dependency_failed(failed_id, 'failed or has vanished'))
      repaired = repaired + 1
    elseif redis.call('EXISTS', JOB .. id .. AFTER) == 0 then
      leave(id, job)
      release(id, job)
      repaired = repaired + 1
    else
      redis.call('ZADD', WAITING .. lane, now, id)
      keep_until_end(id)
    end
  end
end

-- Unparks jobs whose session has a free slot: the record of the slot's holder is gone, or the limit was raised.
for _, id in ipairs(some_of(PARKED .. lane)) do
  local job = load(id, lane)
  if not job then
    forget(id, lane)
    repaired = repaired + 1
  elseif job.status ~= 'queued' or not job.session_id then
    redis.call('ZREM', PARKED .. lane, id)
    restore_or_reject(id, job, 60000)
    repaired = repaired + 1
  elseif redis.call('ZSCORE', PARKED .. lane, id) then
    local slots, held = session_slots_key(job), 0
    for _, holder in ipairs(own('SMEMBERS', slots)) do
      local status = status_of(holder)
      if not status or final[status] then redis.call('SREM', slots, holder) else held = held + 1 end
    end
    keep_until_end(id)
    if not own('ZSCORE', parked_key(job), id) then
      redis.call('ZADD', parked_key(job), redis.call('ZSCORE', PARKED .. lane, id), id)
      redis.call('PEXPIRE', parked_key(job), DEAD_MS)
    end
    local free = per_session == 0 and redis.call('ZCARD', parked_key(job)) or per_session - held
    for _ = 1, math.min(free, 1000) do
      unpark_one(job)
      repaired = repaired + 1
    end
  end
end

-- Frees the run slots of jobs that are gone, on every cluster, and forgets clusters without runs.
local limits = own('HGETALL', RUN_LIMITS)
for i = 1, #limits, 2 do
  local slots, line = RUN_SLOTS .. limits[i], RUN_LINE .. limits[i]
  repaired = repaired + reclaim_run_slots(limits[i], own('ZRANGE', slots, 0, -1))
  if redis.call('EXISTS', slots, line) == 0 then redis.call('HDEL', RUN_LIMITS, limits[i]) end
end

redis.call('ZREMRANGEBYRANK', ENDED .. lane, 0, -1 - tonumber(ARGV[7]))
redis.call('ZREMRANGEBYSCORE', ENDED .. lane, '-inf', now - ttl.ended)
redis.call('ZREMRANGEBYSCORE', LOOKS .. lane, '-inf', now - LOOK_MS)
redis.call('ZREMRANGEBYSCORE', DEAD .. lane, '-inf', now - ttl.dead)
publish()
return repaired
