-- Repairs what a crash may leave behind in a lane, a bounded part at a time. Running it twice does no harm.
-- ARGV: lane, jobs of one session at once (0 for any number), result_ttl_ms, dead_ttl_ms, longest list of ended jobs
-- Returns how many jobs were repaired.
local lane, per_session, repaired = ARGV[1], tonumber(ARGV[2]), 0
ttl.ended, ttl.dead = tonumber(ARGV[3]), tonumber(ARGV[4])
expire_due(lane)

-- Jobs that wait for a job without a record, or that missed the end of a job. The one checked longest ago comes first.
for _, id in ipairs(redis.call('ZRANGE', WAITING .. lane, 0, 99)) do
  local job = load(id)
  if not job or job.status ~= 'waiting' then
    redis.call('ZREM', WAITING .. lane, id)
    repaired = repaired + 1
  else
    local culprit
    for _, other in ipairs(redis.call('SMEMBERS', JOB .. id .. AFTER)) do
      local status = status_of(other)
      if status == 'succeeded' then
        redis.call('SREM', JOB .. id .. AFTER, other)
      elseif not status or final[status] then
        culprit = other
      end
    end
    if culprit then
      redis.call('DEL', JOB .. id .. AFTER)
      conclude(id, job, 'failed', 'error', dependency_failed(culprit, 'failed or has vanished'))
      repaired = repaired + 1
    elseif redis.call('EXISTS', JOB .. id .. AFTER) == 0 then
      leave(id, job)
      release(id, job)
      repaired = repaired + 1
    else
      redis.call('ZADD', WAITING .. lane, now, id)
      keep(id, ttl.pending + math.max(0, (tonumber(job.at) or 0) - now))
    end
  end
end

-- Parked jobs whose session has a free slot: the record of the slot's holder is gone, or the limit was raised.
local parked = redis.call('EXISTS', PARKED .. lane) == 1 and redis.call('ZRANDMEMBER', PARKED .. lane, 50) or {}
for _, id in ipairs(parked) do
  local job = load(id)
  if not job or job.status ~= 'queued' or not job.session_id then
    redis.call('ZREM', PARKED .. lane, id)
    repaired = repaired + 1
  elseif redis.call('ZSCORE', PARKED .. lane, id) then
    local slots, held = slots_key(job), 0
    for _, holder in ipairs(redis.call('SMEMBERS', slots)) do
      local status = status_of(holder)
      if not status or final[status] then redis.call('SREM', slots, holder) else held = held + 1 end
    end
    keep(id, ttl.pending)
    if not redis.call('ZSCORE', parked_key(job), id) then
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

redis.call('ZREMRANGEBYRANK', ENDED .. lane, 0, -1 - tonumber(ARGV[5]))
redis.call('ZREMRANGEBYSCORE', ENDED .. lane, '-inf', now - ttl.ended)
redis.call('ZREMRANGEBYSCORE', DEAD .. lane, '-inf', now - ttl.dead)
publish()
return repaired
