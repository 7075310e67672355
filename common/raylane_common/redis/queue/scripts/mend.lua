-- Restores jobs of a lane that are in none of its sets to the set of their status; deletes bodies that no job needs, and
-- what is left of jobs without a record.
-- ARGV: lane, lease_ms, then for each job of any lane: id, 1 if a key of it other than its record was seen or 0
-- Returns the ids of the jobs that were changed.
write_when_full()
local lane, lease_ms, changed = ARGV[1], tonumber(ARGV[2]), {}
local sets = {running = RUNNING, scheduled = SCHEDULE, waiting = WAITING, queued = QUEUE}

local function is_in_its_set(id, status)
  return redis.call('ZSCORE', sets[status] .. lane, id)
    or (status == 'queued' and redis.call('ZSCORE', PARKED .. lane, id))
end

for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  local job = load(id)
  if not job and redis.call('EXISTS', JOB .. id) == 0 then
    if ARGV[i + 1] == '1' then changed[#changed + 1] = id end
    forget(id, lane)
  elseif not job or final[job.status] then
    local needed = ARGV[i + 1] == '0' or (job and redis.call('ZSCORE', DEAD .. job.lane, id))
    if not needed and redis.call('DEL', JOB .. id .. BODY) == 1 then changed[#changed + 1] = id end
  elseif job.lane == lane and sets[job.status] and not is_in_its_set(id, job.status) then
    changed[#changed + 1] = id
    if job.status == 'running' then
      redis.call('ZADD', RUNNING .. lane, now + lease_ms, id)
    elseif job.status == 'scheduled' then
      redis.call('ZADD', SCHEDULE .. lane, tonumber(job.at) or now, id)
    elseif job.status == 'waiting' then
      redis.call('ZADD', WAITING .. lane, 0, id)
    else
      enter_queue(id, job, rank(job))
    end
  end
end
publish()
return changed
