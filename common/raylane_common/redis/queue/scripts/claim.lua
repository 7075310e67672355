-- Claims up to `limit` jobs of a lane for a worker. First it queues the jobs that are due: scheduled jobs, and jobs whose
-- lease ran out.
-- ARGV: lane, worker, token, limit, lease_ms, jobs of one session at once (0 for any number), result_ttl_ms, dead_ttl_ms,
--       then for each kind: kind, max_attempts
-- Returns {id of the server, ms until the next job is due or -1, {id, record as a flat list, waited_ms}, ...}.
-- waited_ms: from enqueueing, or the time at which the job was due, until now; missing if this is not its first start.
write_when_full()
local lane, worker, token, limit, lease_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local per_session = tonumber(ARGV[6])
ttl.ended, ttl.dead = tonumber(ARGV[7]), tonumber(ARGV[8])
local max_attempts = {}
for i = 9, #ARGV, 2 do max_attempts[ARGV[i]] = tonumber(ARGV[i + 1]) end
local running, queue = RUNNING .. lane, QUEUE .. lane
local reply, claimed, now_text = {'-', -1}, {}, string.format('%d', now)

if refusal_of(lane) then return refusal_of(lane) end

-- A claim whose answer was lost is repeated with the same token, and gets the same jobs.
for id in string.gmatch(own('GET', CLAIM .. token) or '', '%S+') do
  local known = redis.pcall('HMGET', JOB .. id, 'owner', 'status')
  if known[1] == token and known[2] == 'running' then
    redis.call('ZADD', running, now + lease_ms, id)
    redis.call('SET', ARQ_LEASE .. id, token, 'PX', lease_ms)
    reply[#reply + 1] = {id, redis.call('HGETALL', JOB .. id)}
    claimed[#claimed + 1] = id
  end
end

reply[1] = note_contact(lane, lease_ms)
for _, id in ipairs(due(running)) do
  redis.call('ZREM', running, id)
  local job = load(id, lane)
  if not job then
    forget(id, lane)
  elseif job.status == 'running' then
    release(id, job)
  else
    restore_or_reject(id, job, lease_ms)
  end
end
for _, id in ipairs(due(SCHEDULE .. lane)) do
  redis.call('ZREM', SCHEDULE .. lane, id)
  local job = load(id, lane)
  if not job then
    forget(id, lane)
  elseif job.status == 'scheduled' then
    if (job.at or now + 1) > now then job.at = false end
    release(id, job)
  else
    restore_or_reject(id, job, lease_ms)
  end
end
expire_due(lane)

-- Returns the error of the job's last attempt if its worker died, else nil; and whether the server may have lost the
-- end of that attempt.
local function lost_worker(job)
  -- A token has only hexadecimal digits. Any other owner means that the job was returned to its lane, or that another
  -- program wrote the field.
  if not job.owner or not string.find(job.owner, '^%x+$') then return nil, false end
  local replaced_at = whole(own('GET', REPLACED .. lane)) or 0
  if (whole(job.started_at) or 0) <= replaced_at then return nil, true end
  return failure('worker_lost', 'the worker ' .. printable(job.worker or '') .. ' died during attempt ' .. job.attempt
    .. '; see its log', true), false
end

-- Returns whether the job's session lets it run now, and takes the slot if it does.
local function has_slot(id, job)
  if per_session == 0 or not job.session_id then return true end
  local slots = session_slots_key(job)
  if own('SISMEMBER', slots, id) == 1 then return true end
  if redis.call('SCARD', slots) >= per_session then
    for _, holder in ipairs(redis.call('SMEMBERS', slots)) do
      local status = status_of(holder)
      if not status or final[status] then redis.call('SREM', slots, holder) end
    end
    if redis.call('SCARD', slots) >= per_session then return false end
  end
  take_session_slot(id, job)
  return true
end

-- Returns the whole record as a table, as a flat list, and its size in bytes; nil if there is none.
local function read(id)
  local flat = redis.pcall('HGETALL', JOB .. id)
  if #flat == 0 then return nil end
  local job, size = {}, 0
  for i = 1, #flat, 2 do
    job[flat[i]] = flat[i + 1]
    size = size + #flat[i] + #flat[i + 1]
  end
  return clean(job, lane), flat, size
end

local function take(id, score)
  local job, flat, size = read(id)
  if not job then return forget(id, lane) end
  if job.status ~= 'queued' then
    -- A client without the script may have enqueued a job that had ended, and so left a copy.
    if final[job.status] then redis.call('DEL', ARQ_JOB .. id) end
    return restore_or_reject(id, job, lease_ms)
  end
  if size > RECORD_MAX then return reject(id, job, 'record', 'has more than ' .. RECORD_MAX .. ' bytes') end
  -- `expire_due` handles a bounded number of jobs, and more may have expired while no worker was there.
  if not job.started_at and (job.expires_at or now + 1) <= now then return expire(id, job) end
  local record, allowed = JOB .. id, job.max_attempts or max_attempts[job.kind] or 1
  local loss, is_end_lost = lost_worker(job)
  if loss and job.attempt >= allowed and not job.cancel_requested_at then
    attempt_failed(id, job, loss)
    -- If the old owner comes back, its own outcome must be refused, not confirmed.
    redis.call('HDEL', record, 'owner')
    conclude(id, job, 'failed', 'error', loss, true)
    return
  end
  if not job.cancel_requested_at and not has_slot(id, job) then
    redis.call('ZADD', PARKED .. lane, score, id)
    own('ZADD', parked_key(job), score, id)
    redis.call('PEXPIRE', parked_key(job), DEAD_MS)
    return
  end
  if loss then attempt_failed(id, job, loss) end
  local attempt = is_end_lost and job.attempt or job.attempt + 1
  local changes = {'status', 'running', 'owner', token, 'worker', worker, 'started_at', now_text, 'attempt', tostring(attempt),
    'max_attempts', tostring(allowed), 'lane', lane}
  redis.call('HSET', record, unpack(changes))
  redis.call('ZADD', running, now + lease_ms, id)
  redis.call('SET', ARQ_LEASE .. id, token, 'PX', lease_ms)
  announce(id, job, 'running', 'attempt', attempt)
  if now - (job.enqueued_at or 0) > 86400000 then keep_until_end(id) end
  claimed[#claimed + 1] = id
  -- If a field occurs twice in the list, the reader takes the last value.
  for i = 1, #changes do flat[#flat + 1] = changes[i] end
  reply[#reply + 1] = {id, flat, not job.started_at and now - math.max(job.enqueued_at or now, job.at or 0) or nil}
end

local looked_at, more = 0, true
while #claimed < limit and looked_at < limit + 1000 do
  local found = redis.call('ZPOPMIN', queue, limit - #claimed)
  more = #found > 0
  if not more then break end
  for i = 1, #found, 2 do take(found[i], found[i + 1]) end
  looked_at = looked_at + #found / 2
end
if #claimed > 0 then redis.call('SET', CLAIM .. token, table.concat(claimed, ' '), 'PX', 2 * lease_ms) end
if not more then woken[lane] = nil end
reply[2] = more and 0 or soonest_ms
publish()
return reply
