-- Prepended to every script: the clock, a job's fields, and the steps that several scripts share.
-- Times come from the server's clock, so the clocks of workers and producers do not matter. Names in capitals, such as
-- JOB, are replaced by their values before a script is sent: key prefixes and suffixes by those in keys.py.
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)
local final = {succeeded = true, failed = true, cancelled = true}
-- An hour, so that a low-priority job waits behind newer ones for two hours at most.
local head_start_ms = {high = -3600000, low = 3600000}
local ttl = {ended = ENDED_MS, dead = DEAD_MS}
local woken, ended_lanes, dead_lanes = {}, {}, {}
local is_full = false

-- Every script but `enqueue` begins with this, because workers free memory and must not stop when it is full. A full server
-- refuses a command that may need memory, but only as the first write of a script. See docs/decisions/0015.
local function write_when_full()
  local answer = redis.pcall('ZADD', ROUTE, 'XX', 0, '')
  local is_refused = type(answer) == 'table'
  is_full = is_refused and string.find(answer.err, 'OOM', 1, true) ~= nil
  if is_refused then redis.call('DEL', ROUTE) end
end

local fields_of_job = {'status', 'lane', 'kind', 'session_id', 'attempt', 'max_attempts', 'enqueued_at', 'at', 'priority',
  'expires_at', 'unique', 'slot', 'dependents', 'owner', 'worker', 'started_at', 'cancel_requested_at', 'run_slot',
  'run_line'}

-- The set of each status that is not final.
local sets = {running = RUNNING, scheduled = SCHEDULE, waiting = WAITING, queued = QUEUE}
local sets_of_lane = {QUEUE, SCHEDULE, WAITING, PARKED, RUNNING, EXPIRING, ENDED, DEAD}
local types = {}

-- Returns an error that names a set of the lane if it holds another type; nil if the lane can be used. `needed` are the
-- sets to check, by default all. A script calls this before its first write, because its writes are not undone.
local function refusal_of(lane, needed)
  for _, set in ipairs(needed or sets_of_lane) do
    local key = set .. lane
    types[key] = types[key] or redis.call('TYPE', key).ok
    if types[key] ~= 'zset' and types[key] ~= 'none' then
      return redis.error_reply(string.format('WRONGKEY %s holds a %s and not a sorted set; another program wrote it; '
        .. 'delete this key', key, types[key]))
    end
  end
end

-- Runs a command on a key that belongs to one job, one session or one Ray cluster. If another program wrote something else there, it is
-- deleted first, because it must not stop the other jobs.
local function own(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  -- A stream that holds the last possible id takes no other entry.
  if string.find(answer.err, 'WRONGTYPE') or string.find(answer.err, 'exhausted') then redis.call('DEL', key) end
  return redis.call(command, key, ...)
end

-- Returns a field of a record as a whole number; false if it is not one.
local function whole(value)
  local number = tonumber(value)
  -- Beyond 2^53 Lua's numbers are no longer exact. NaN is not in the range either.
  return number and number >= 0 and number < 2 ^ 53 and number % 1 == 0 and number
end

-- Makes the fields of a record usable, because another program may have written it. The worker reads the record again,
-- and fails the job if a field is wrong.
local function clean(job, lane)
  job.lane = lane or (job.lane and #job.lane <= 64 and string.match(job.lane, '^[%w_-]+$')) or 'none'
  job.kind, job.attempt = job.kind or '', whole(job.attempt) or 0
  for _, name in ipairs({'max_attempts', 'enqueued_at', 'at', 'expires_at'}) do job[name] = whole(job[name]) end
  return job
end

-- Returns a job's fields as a table, absent ones false; nil if there is no record.
local function load(id, lane)
  local values = redis.pcall('HMGET', JOB .. id, unpack(fields_of_job))
  if values.err or (not values[1] and redis.call('EXISTS', JOB .. id) == 0) then return nil end
  local job = {}
  for i, name in ipairs(fields_of_job) do job[name] = values[i] end
  return clean(job, lane)
end

-- Returns a job's status; false if there is no readable record.
local function status_of(id)
  local status = redis.pcall('HGET', JOB .. id, 'status')
  return type(status) == 'string' and status
end

-- Adds a change of status to the job's events. A job's stream is created at its first change, because even a nearly empty
-- stream takes 4 KiB. The enqueue event is added then, under the id that followers have already seen (`EventReader`).
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

-- Removes the time to live of everything that belongs to a job: it was requeued, or a client of an older version set one.
local function keep_until_end(id)
  for _, key in ipairs(keys_of(id)) do redis.call('PERSIST', key) end
end

local function slots_key(job) return SESSION .. job.session_id .. SLOTS .. job.lane end
local function parked_key(job) return SESSION .. job.session_id .. NO_SLOT .. job.lane end

-- Returns the score that orders a lane: the time at which the job became ready, shifted by its priority. A job that holds
-- a run slot comes first, because others wait for the end of its run.
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

-- Removes a job from the line for a run slot.
local function leave_run_line(id, job)
  if not job.run_line then return end
  own('ZREM', RUN_LINE .. job.run_line, id)
  redis.call('HDEL', JOB .. id, 'run_line')
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
local function take_slot(id, job)
  own('SADD', slots_key(job), id)
  redis.call('PEXPIRE', slots_key(job), DEAD_MS)
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
      take_slot(found[1], job)
      enter_queue(found[1], job, found[2])
      return
    end
    -- The claim that finds it in the queue fails it, or returns it to its own set.
    if parked and not final[parked.status] then enter_queue(found[1], job, found[2]) end
  end
end

-- Returns the number of slots that the jobs of each session hold, by session. Jobs without a session count as one session.
local function run_slots_by_session(cluster)
  local held = {}
  for _, id in ipairs(own('ZRANGE', RUN_SLOTS .. cluster, 0, -1)) do
    local session = redis.pcall('HGET', JOB .. id, 'session_id')
    session = type(session) == 'string' and session or ''
    held[session] = (held[session] or 0) + 1
  end
  return held
end

-- Returns the job in line that gets the next slot, and its session: of the sessions with the fewest slots the one that has
-- waited longest, since it last got a slot or since its first job was ready. A job that is not running any more loses its
-- place in line; its next attempt gets it again.
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

-- Gives the free run slots of a cluster to the jobs in line, at most ten of them: each looks at the whole line.
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

-- Frees the run slot of a job, for the next job in line.
local function free_run_slot(id, job)
  if not job.run_slot then return end
  redis.call('HDEL', JOB .. id, 'run_slot')
  own('ZREM', RUN_SLOTS .. job.run_slot, id)
  grant_run_slots(job.run_slot)
end

-- Frees those of these slots of a cluster whose jobs have ended, are gone, or hold no slot by their record. Returns how
-- many that were.
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
-- Returns text of a record, or an id, so that it can be a part of JSON, whatever its bytes.
local function printable(text) return (string.gsub(string.sub(text, 1, 100), '[^%w%p ]', '?')) end

-- Adds the current attempt to the list of those that did not succeed. `error` is JSON.
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

-- Removes one of the jobs that a job waits for, and returns the waiting job; nil if it does not wait for `id`. The janitor
-- of its lane releases or fails a job that this leaves out.
local function waiter(other, id)
  local job = load(other)
  local waits = job and job.status == 'waiting' and not refusal_of(job.lane)
    and redis.call('ZSCORE', WAITING .. job.lane, other)
  return waits and own('SREM', JOB .. other .. AFTER, id) == 1 and job or nil
end

-- Ends a job for good. If it did not succeed, every job that waits for it fails. `field` is 'result' or 'error'. With
-- `dead`, a failed job becomes a dead letter, and so do the jobs that fail because of it.
local function conclude(id, job, status, field, value, dead)
  local todo = {{id = id, job = job, status = status, field = field, value = value}}
  local position = 1
  while todo[position] do
    local it = todo[position]
    local id, job, record, events = it.id, it.job, JOB .. it.id, JOB .. it.id .. EVENTS
    local is_dead = dead and it.status == 'failed'
    local kept_ms = is_dead and ttl.dead or ttl.ended
    position = position + 1
    leave(id, job)
    redis.call('HDEL', record, 'error', 'slot', 'dependents', 'cancel_requested_at')
    redis.call('HSET', record, 'status', it.status, it.field, it.value, 'finished_at', now)
    if is_full then
      -- Otherwise each small job would take 4 KiB more once it has run. Followers see the end in the record (`EventReader`).
      redis.call('DEL', events)
    elseif it.field == 'error' then
      announce(id, job, it.status, 'attempt', job.attempt, 'error', it.value)
    else
      announce(id, job, it.status, 'attempt', job.attempt)
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
      if job.attempt ~= 1 or job.at or it.field == 'error' then redis.call('PEXPIRE', record .. ATTEMPTS, kept_ms) end
      redis.call('DEL', ARQ_JOB .. id, ARQ_LEASE .. id, JOB .. id .. BODY)
    end
    redis.call('ZADD', ENDED .. job.lane, now, id)
    ended_lanes[job.lane] = true
    if job.expires_at then redis.call('ZREM', EXPIRING .. job.lane, id) end
    if job.unique then
      local holder = UNIQUE .. job.kind .. ':' .. job.unique
      if own('GET', holder) == id then redis.call('DEL', holder) end
    end
    if job.slot and job.session_id and own('SREM', slots_key(job), id) == 1 then unpark_one(job) end
    free_run_slot(id, job)
    if job.dependents then
      for _, other in ipairs(own('SMEMBERS', JOB .. id .. DEPENDENTS)) do
        local waiting = waiter(other, id)
        if waiting then
          if it.status ~= 'succeeded' then
            redis.call('DEL', JOB .. other .. AFTER)
            local what = it.status == 'failed' and 'failed' or 'was cancelled'
            table.insert(todo, {id = other, job = waiting, status = 'failed', field = 'error',
              value = dependency_failed(id, what, dead)})
          elseif redis.call('EXISTS', JOB .. other .. AFTER) == 0 then
            leave(other, waiting)
            release(other, waiting)
          end
        end
      end
      redis.call('DEL', JOB .. id .. DEPENDENTS)
    end
  end
end

-- Records the jobs that a job comes after. Returns how many of them have not ended; or nil, and the id and status of one
-- that did not succeed.
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

-- Returns those of the jobs that a job comes after that still have a record.
local function dependencies(id)
  local is_json, after = pcall(cjson.decode, redis.call('HGET', JOB .. id, 'after') or '[]')
  local known = {}
  for _, other in ipairs(is_json and type(after) == 'table' and after or {}) do
    if type(other) == 'string' and status_of(other) then known[#known + 1] = other end
  end
  return known
end

-- Fails a job whose record another program has changed so that it cannot run. `field` is the field at fault.
local function reject(id, job, field, problem)
  conclude(id, job, 'failed', 'error', failure('invalid_request', field .. ': ' .. problem, false, {field = field}))
end

-- Puts an unfinished job that is in no set of its lane into the set of its status; a running job gets a lease of
-- `lease_ms`. Returns whether it did.
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

-- Handles a job that may not be in the set of its status: it returns there, or fails if its status is not one of ours.
-- Returns whether it did anything.
local function misplaced(id, job, lease_ms)
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

-- Records that a worker of the lane reached this server; returns what identifies the server since its start. If no worker
-- did for a while, or the last one reached another server, the server was unavailable, not the workers, so every lease
-- gets time to be renewed.
-- Workers claim or renew at least every 0.4 of a lease, so they do not cause a gap of 0.6.
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

-- Called at the end of a script: announces new work and sets the expiry of the lists of ended jobs, once per lane.
local function publish()
  for lane in pairs(ended_lanes) do redis.call('PEXPIRE', ENDED .. lane, ttl.ended) end
  for lane in pairs(dead_lanes) do redis.call('PEXPIRE', DEAD .. lane, ttl.dead) end
  for lane, id in pairs(woken) do redis.call('PUBLISH', WAKE .. lane, id) end
end
