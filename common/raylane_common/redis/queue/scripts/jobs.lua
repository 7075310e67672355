-- Prepended to every script that changes the status of a job, after run_slots.lua: the steps that several of them
-- share.
local ttl = {ended = ENDED_MS, dead = DEAD_MS}
local woken, ended_lanes, look_lanes, dead_lanes = {}, {}, {}, {}
-- The set of each status that is not final.
local sets = {running = RUNNING, scheduled = SCHEDULE, waiting = WAITING, queued = QUEUE}

-- Adds a change of status to the job's events. A job's stream is created at its first change, because even a nearly
-- empty stream takes 4 KiB. The enqueue event is added then, under the id that followers have already seen
-- (`EventReader`).
local function announce(id, job, status, ...)
  local events = JOB .. id .. EVENTS
  local added = own('XADD', events, 'NOMKSTREAM', 'MAXLEN', '~', EVENTS_MAX, '*', 'type', 'status',
    'status', status, 'at', now, ...)
  if added then return end
  local enqueued_at = string.format('%d', math.max(1, job.enqueued_at or now))
  redis.call('XADD', events, enqueued_at .. '-0', 'type', 'status', 'status', job.status or '', 'at', enqueued_at)
  redis.call('XADD', events, '*', 'type', 'status', 'status', status, 'at', now, ...)
end

local function keys_of(id)
  local record = JOB .. id
  return {record, record .. EVENTS, record .. BODY, record .. ATTEMPTS, record .. AFTER, record .. DEPENDENTS, ARQ_JOB .. id}
end

-- Sets the time to live of everything that belongs to a job. Only a job that has ended has one.
local function keep(id, ms)
  for _, key in ipairs(keys_of(id)) do redis.call('PEXPIRE', key, ms) end
end

-- Removes the time to live of everything that belongs to a job: it was requeued, or a client of an older version set
-- one.
local function keep_until_end(id)
  for _, key in ipairs(keys_of(id)) do redis.call('PERSIST', key) end
end

local function session_slots_key(job) return SESSION .. job.session_id .. SLOTS .. job.lane end
local function parked_key(job) return SESSION .. job.session_id .. NO_SLOT .. job.lane end

-- Returns the score that orders a lane: the time at which the job became ready, shifted by its priority. A job that
-- holds a run slot comes first, because others wait for the end of its run.
local function rank(job)
  if job.run_slot then return 0 end
  local ready = math.max(job.enqueued_at or now, job.at or 0)
  return ready + (head_start_ms[job.priority] or 0)
end

local function enter_queue(id, job, score)
  redis.call('ZADD', QUEUE .. job.lane, score, id)
  woken[job.lane] = id
end

-- Puts a job that waits for nothing else into the queue, or into the schedule until it is due.
local function release(id, job)
  local due = job.at or 0
  local status = due > now and 'scheduled' or 'queued'
  redis.call('HSET', JOB .. id, 'status', status)
  if status == 'scheduled' then
    redis.call('ZADD', SCHEDULE .. job.lane, due, id)
    woken[job.lane] = id
  else
    enter_queue(id, job, rank(job))
  end
  announce(id, job, status, 'attempt', job.attempt)
end

-- Removes a job from the set of its status.
local function leave(id, job)
  leave_run_line(id, job)
  if job.status == 'running' then
    redis.call('ZREM', RUNNING .. job.lane, id)
  elseif job.status == 'queued' then
    redis.call('ZREM', QUEUE .. job.lane, id)
    if job.session_id and redis.call('ZREM', PARKED .. job.lane, id) == 1 then
      own('ZREM', parked_key(job), id)
    end
  elseif job.status == 'scheduled' then
    redis.call('ZREM', SCHEDULE .. job.lane, id)
  elseif job.status == 'waiting' then
    redis.call('ZREM', WAITING .. job.lane, id)
    -- A later job with the same id must not wait for this one's dependencies.
    redis.call('DEL', JOB .. id .. AFTER)
  end
end

-- Gives a job one of its session's slots. The job keeps it until its end, whichever worker runs it.
local function take_session_slot(id, job)
  own('SADD', session_slots_key(job), id)
  redis.call('PEXPIRE', session_slots_key(job), DEAD_MS)
  redis.call('HSET', JOB .. id, 'slot', 1)
end

-- Gives a free slot of the job's session to the first parked job of that session.
local function unpark_one(job)
  while true do
    local found = own('ZPOPMIN', parked_key(job))
    if not found[1] then return end
    redis.call('ZREM', PARKED .. job.lane, found[1])
    local parked = load(found[1])
    if parked and parked.status == 'queued' then
      take_session_slot(found[1], job)
      enter_queue(found[1], job, found[2])
      return
    end
    -- The claim that finds it in the queue fails it, or returns it to its own set.
    if parked and not final[parked.status] then enter_queue(found[1], job, found[2]) end
  end
end

-- Returns at most 100 bytes of a record's text, or of an id, with the bytes replaced that JSON or a log could not hold.
local function printable(text) return (string.gsub(string.sub(text, 1, 100), '[^%w%p ]', '?')) end

-- Adds the current attempt to the list of attempts that did not succeed. `error` is JSON.
local function attempt_failed(id, job, error)
  own('RPUSH', JOB .. id .. ATTEMPTS, string.format(
    '{"number":%d,"worker":%s,"started_at":%d,"ended_at":%d,"error":%s}', job.attempt,
    cjson.encode(job.worker and printable(job.worker) or cjson.null), whole(job.started_at) or now, now, error))
end

-- Returns an error as JSON. `outside_job` says that the job is not at fault.
local function failure(code, message, outside_job, details)
  return string.format('{"code":"%s","message":%s,"retryable":false,%s"details":%s}', code, cjson.encode(message),
    outside_job and '"outside_job":true,' or '', details and cjson.encode(details) or '{}')
end

-- Returns the error of a job that comes after a failed one. `what` says what happened to the other job.
local function dependency_failed(other, what, outside_job)
  other = printable(other)
  return failure('dependency_failed', 'job ' .. other .. ', which this job comes after, ' .. what, outside_job,
    {job_id = other})
end

-- Removes the job `id` from the list of those that the job `other` waits for. Returns the other job; nil if it does not
-- wait for `id`, or if its lane cannot be used: the lane's janitor handles it later.
local function waiter(other, id)
  local job = load(other)
  local waits = job and job.status == 'waiting' and not refusal_of(job.lane)
  return waits and own('SREM', JOB .. other .. AFTER, id) == 1 and job or nil
end

-- Counts the end of a job for metrics, in the hash of all ends: "lane kind outcome code" to a number. It is here, and in no
-- process, because every end passes here once, whoever brings it about. See docs/decisions/0055.
local function count_end(job, outcome, code)
  local function label(text) return #text <= 64 and string.match(text, '^[%w_-]+$') or 'other' end
  local field = table.concat({label(job.lane), label(job.kind), outcome, code and label(code) or '-'}, ' ')
  local known = own('HGET', COUNTS, field)
  -- Other programs may write any kind and any code.
  if not known and #redis.call('HKEYS', COUNTS) >= COUNTS_MAX then
    field = 'other other ' .. outcome .. ' other'
    known = redis.call('HGET', COUNTS, field)
  end
  redis.call('HSET', COUNTS, field, string.format('%d', (whole(known) or 0) + 1))
end

-- Writes the end of one job: its outcome, its last event, and when its keys expire. The parameters are those of
-- `conclude`. A look is soon forgotten and never a dead letter: whoever wants to know looks again.
local function write_end(id, job, status, field, value, is_dead)
  is_dead = is_dead and not job.look
  local record, events, kept_ms = JOB .. id, JOB .. id .. EVENTS, is_dead and ttl.dead or ttl.ended
  if job.look then kept_ms = math.min(LOOK_MS, ttl.ended) end
  leave(id, job)
  redis.call('HDEL', record, 'error', 'slot', 'dependents', 'cancel_requested_at')
  redis.call('HSET', record, 'status', status, field, value, 'finished_at', now)
  if is_full then
    -- The stream of a small job would need 4 KiB more. Followers see the end in the record (`EventReader`).
    redis.call('DEL', events)
  elseif field == 'error' then
    announce(id, job, status, 'attempt', job.attempt, 'error', value)
  else
    announce(id, job, status, 'attempt', job.attempt)
  end
  if is_dead then
    keep(id, kept_ms)
    redis.call('DEL', ARQ_JOB .. id, ARQ_LEASE .. id)
    redis.call('ZADD', DEAD .. job.lane, now, id)
    dead_lanes[job.lane] = true
  else
    redis.call('PEXPIRE', record, kept_ms)
    redis.call('PEXPIRE', events, kept_ms)
    -- Only these jobs can have failed attempts. The list expires with the record, so a later job with the same id
    -- does not inherit it.
    if job.attempt ~= 1 or job.at or field == 'error' then redis.call('PEXPIRE', record .. ATTEMPTS, kept_ms) end
    redis.call('DEL', ARQ_JOB .. id, ARQ_LEASE .. id, record .. BODY)
  end
  redis.call('ZADD', (job.look and LOOKS or ENDED) .. job.lane, now, id)
  if job.look then look_lanes[job.lane] = true else ended_lanes[job.lane] = true end
  count_end(job, is_dead and 'dead' or status, field == 'error' and (string.match(value, '^{"code":"([%w_]+)"') or ''))
end

-- Frees what a job holds: its deadline, its unique key, its session's slot and its run slot.
local function free_all(id, job)
  if job.expires_at then redis.call('ZREM', EXPIRING .. job.lane, id) end
  if job.unique then
    local holder = UNIQUE .. job.kind .. ':' .. job.unique
    if own('GET', holder) == id then redis.call('DEL', holder) end
  end
  if job.slot and job.session_id and own('SREM', session_slots_key(job), id) == 1 then unpark_one(job) end
  free_run_slot(id, job)
end

-- Ends a job for good. If it did not succeed, every job that waits for it fails. `field` is 'result' or 'error'. If
-- `dead` is true, a failed job becomes a dead letter, and so do the jobs that fail because of it.
local function conclude(id, job, status, field, value, dead)
  local ending, position = {{id = id, job = job, status = status, field = field, value = value}}, 1
  while ending[position] do
    local it = ending[position]
    position = position + 1
    write_end(it.id, it.job, it.status, it.field, it.value, dead and it.status == 'failed')
    free_all(it.id, it.job)
    if it.job.dependents then
      for _, other in ipairs(own('SMEMBERS', JOB .. it.id .. DEPENDENTS)) do
        local waiting = waiter(other, it.id)
        if waiting and it.status ~= 'succeeded' then
          redis.call('DEL', JOB .. other .. AFTER)
          local what = it.status == 'failed' and 'failed' or 'was cancelled'
          ending[#ending + 1] = {id = other, job = waiting, status = 'failed', field = 'error',
            value = dependency_failed(it.id, what, dead)}
        elseif waiting and redis.call('EXISTS', JOB .. other .. AFTER) == 0 then
          leave(other, waiting)
          release(other, waiting)
        end
      end
      redis.call('DEL', JOB .. it.id .. DEPENDENTS)
    end
  end
end

-- Records the jobs that a job comes after. Returns how many of them have not ended. If one did not succeed, returns
-- nil, its id and its status.
local function depend(id, after)
  local unmet = 0
  for _, other in ipairs(after) do
    local status = status_of(other)
    if not status or status == 'failed' or status == 'cancelled' then return nil, other, status or 'vanished' end
    if status ~= 'succeeded' and own('SADD', JOB .. id .. AFTER, other) == 1 then
      own('SADD', JOB .. other .. DEPENDENTS, id)
      redis.call('HSET', JOB .. other, 'dependents', 1)
      unmet = unmet + 1
    end
  end
  return unmet
end

-- Removes what is left of a job whose record was deleted by hand or evicted. The jobs after it fail.
local function forget(id, lane)
  for _, set in ipairs({QUEUE, SCHEDULE, WAITING, PARKED, RUNNING, EXPIRING}) do redis.call('ZREM', set .. lane, id) end
  for _, other in ipairs(own('SMEMBERS', JOB .. id .. DEPENDENTS)) do
    local waiting = waiter(other, id)
    if waiting then conclude(other, waiting, 'failed', 'error', dependency_failed(id, 'has vanished')) end
  end
  redis.call('DEL', ARQ_LEASE .. id, select(2, unpack(keys_of(id))))
end

-- Returns the ids of the jobs that a job comes after, without those whose record is gone.
local function dependencies(id)
  local is_json, after = pcall(cjson.decode, redis.call('HGET', JOB .. id, 'after') or '[]')
  local known = {}
  for _, other in ipairs(is_json and type(after) == 'table' and after or {}) do
    if type(other) == 'string' and status_of(other) then known[#known + 1] = other end
  end
  return known
end

-- Fails a job that cannot run because another program has changed its record. `field` is the changed field.
local function reject(id, job, field, problem)
  conclude(id, job, 'failed', 'error', failure('invalid_request', field .. ': ' .. problem, false, {field = field}))
end

-- Puts an unfinished job into the set of its status, unless it is there; a running job gets a lease of `lease_ms`.
-- Returns whether it was missing.
local function restore(id, job, lease_ms)
  local set = sets[job.status]
  if not set or redis.call('ZSCORE', set .. job.lane, id) then return false end
  if job.status == 'queued' then
    if redis.call('ZSCORE', PARKED .. job.lane, id) then return false end
    enter_queue(id, job, rank(job))
  else
    local scores = {running = now + lease_ms, scheduled = job.at or now, waiting = 0}
    redis.call('ZADD', set .. job.lane, scores[job.status], id)
  end
  return true
end

-- Handles a job that may not be in the set of its status: restores it, or fails it if its status is unknown. Returns
-- whether it changed anything.
local function restore_or_reject(id, job, lease_ms)
  if sets[job.status] then return restore(id, job, lease_ms) end
  if final[job.status] then return false end
  reject(id, job, 'status', 'is missing or unknown; another program has changed the record')
  return true
end

-- Returns the ids that are due in a set scored by time. Lowers `soonest_ms` to the time until the next one is due.
local soonest_ms = -1
local function due(set)
  local head = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  if not head[2] then return {} end
  local in_ms = math.min(DEAD_MS, math.max(1, math.ceil(tonumber(head[2]) - now)))
  if soonest_ms < 0 or in_ms < soonest_ms then soonest_ms = in_ms end
  if tonumber(head[2]) > now then return {} end
  return redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, 1000)
end

-- Records that a worker of the lane has reached this server; returns the server's run id, which changes with each
-- start. If no worker has reached it for 0.6 of a lease, or the last one reached another server, then the server was
-- unavailable and not the workers, so every lease gets time to be renewed. Workers claim or renew at least every 0.4 of
-- a lease.
local function note_contact(lane, lease_ms)
  local info = redis.pcall('INFO', 'server')
  local server = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or '-'
  local pulse = own('SET', PULSE .. lane, string.format('%d %s', now, server), 'PX', DEAD_MS, 'GET') or ''
  local last_ms, last_server = string.match(pulse, '^(%d+) (%S+)$')
  if last_server == server and now - tonumber(last_ms) <= lease_ms * 0.6 then return server end
  -- The new server may have lost the last writes of the old one.
  if last_server and last_server ~= server then redis.call('SET', REPLACED .. lane, now, 'PX', DEAD_MS) end
  local until_ms = now + lease_ms / 2
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', RUNNING .. lane, '-inf', '(' .. string.format('%d', until_ms))) do
    redis.call('ZADD', RUNNING .. lane, until_ms, id)
  end
  return server
end

local function expire(id, job)
  conclude(id, job, 'failed', 'error', failure('expired', 'the job had not started by the time that was set'))
end

-- Fails the jobs of a lane that have not started by their deadline.
local function expire_due(lane)
  for _, id in ipairs(due(EXPIRING .. lane)) do
    redis.call('ZREM', EXPIRING .. lane, id)
    local job = load(id, lane)
    if not job then forget(id, lane) elseif not final[job.status] and not job.started_at then expire(id, job) end
  end
end

-- Called at the end of a script: announces new work, and sets the time to live of the sets of ended jobs, once per
-- lane.
local function publish()
  for lane in pairs(look_lanes) do redis.call('PEXPIRE', LOOKS .. lane, LOOK_MS) end
  for lane in pairs(ended_lanes) do redis.call('PEXPIRE', ENDED .. lane, ttl.ended) end
  for lane in pairs(dead_lanes) do redis.call('PEXPIRE', DEAD .. lane, ttl.dead) end
  if next(ended_lanes) or next(look_lanes) then redis.call('PEXPIRE', COUNTS, DEAD_MS) end
  for lane, id in pairs(woken) do redis.call('PUBLISH', WAKE .. lane, id) end
end
