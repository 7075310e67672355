-- Puts jobs of a lane that stand in none of its sets back into the one of their status; drops bodies that nobody needs.
-- ARGV: lane, lease_ms, then for each job of any lane: id, 1 if a body of it was seen or 0
-- Returns the ids that were mended.
local lane, lease_ms, mended = ARGV[1], tonumber(ARGV[2]), {}
local places = {running = RUNNING, scheduled = SCHEDULE, waiting = WAITING, queued = QUEUE}

local function stands(id, status)
  return redis.call('ZSCORE', places[status] .. lane, id)
    or (status == 'queued' and redis.call('ZSCORE', PARKED .. lane, id))
end

for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  local job = load(id)
  if not job or final[job.status] then
    local needed = ARGV[i + 1] == '0' or (job and redis.call('ZSCORE', DEAD .. job.lane, id))
    if not needed and redis.call('DEL', JOB .. id .. ':body') == 1 then mended[#mended + 1] = id end
  elseif job.lane == lane and places[job.status] and not stands(id, job.status) then
    mended[#mended + 1] = id
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
return mended
