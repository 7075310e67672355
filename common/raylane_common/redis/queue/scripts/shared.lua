-- Stands before every other script: the clock, a job's fields, and the steps that several scripts share.
-- Times are the server's own, so the clocks of workers and producers do not matter. Key prefixes come from keys.py.
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)
local final = {succeeded = true, failed = true, cancelled = true}
local head_start_ms = {high = -3600000, low = 3600000}
local ttl = {pending = PENDING_MS, ended = PENDING_MS, dead = DEAD_MS}
local woken, ended_lanes, dead_lanes = {}, {}, {}

local FIELDS = {'status', 'lane', 'kind', 'session_id', 'attempt', 'max_attempts', 'enqueued_at', 'at', 'priority',
  'expires_at', 'unique', 'slot', 'dependents', 'owner', 'worker', 'started_at', 'cancel_requested_at'}

-- The fields of a job as a table, absent ones false; nil if there is no readable record. Records may come from elsewhere,
-- and one that is odd must not stop its lane.
local function load(id, lane)
  local values = redis.pcall('HMGET', JOB .. id, unpack(FIELDS))
  if values.err or not values[1] then return nil end
  local job = {}
  for i, name in ipairs(FIELDS) do job[name] = values[i] end
  job.lane = lane or job.lane or 'none'
  job.attempt = tonumber(job.attempt) or 0
  return job
end

-- Where a job stands; false if there is no readable record.
local function status_of(id)
  local status = redis.pcall('HGET', JOB .. id, 'status')
  return type(status) == 'string' and status
end

-- Tells that a job's status changes. The stream begins with the first change, since an empty one takes 4 KiB: the event of
-- the enqueueing is written with it, under the id that followers have been given for it (`JobQueue.follow`).
-- A stream that something else overwrote is not worth a job: what could not be told stands in the record.
local function announce(id, job, status, ...)
  local events = JOB .. id .. ':events'
  local told = redis.pcall('XADD', events, 'NOMKSTREAM', 'MAXLEN', '~', EVENTS_MAX, '*', 'type', 'status',
    'status', status, 'at', now, ...)
  if told then return end
  local enqueued_at = string.format('%d', tonumber(job.enqueued_at) or now)
  redis.call('XADD', events, enqueued_at .. '-0', 'type', 'status', 'status', job.status, 'at', enqueued_at)
  redis.call('XADD', events, '*', 'type', 'status', 'status', status, 'at', now, ...)
  redis.call('PEXPIRE', events, ttl.pending)
end

local function keep(id, ms)
  for _, part in ipairs({'', ':events', ':body', ':attempts', ':after', ':dependents'}) do
    redis.call('PEXPIRE', JOB .. id .. part, ms)
  end
  redis.call('PEXPIRE', ARQ_JOB .. id, ms)
end

local function slots_key(job) return SESSION .. job.session_id .. ':slots:' .. job.lane end
local function parked_key(job) return SESSION .. job.session_id .. ':parked:' .. job.lane end

-- The order within a lane: first ready, first served, with an hour's head start for high over normal over low.
local function rank(job)
  local ready = math.max(tonumber(job.enqueued_at) or now, tonumber(job.at) or 0)
  return ready + (head_start_ms[job.priority] or 0)
end

local function enter_queue(id, job, score)
  redis.call('ZADD', QUEUE .. job.lane, score, id)
  woken[job.lane] = id
end

-- Puts a job that nothing holds back any more where it belongs: into the queue, or into the schedule until it is due.
local function release(id, job)
  local due = tonumber(job.at) or 0
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

-- Takes a job out of the set that its status puts it in.
local function leave(id, job)
  if job.status == 'running' then
    redis.call('ZREM', RUNNING .. job.lane, id)
  elseif job.status == 'queued' then
    redis.call('ZREM', QUEUE .. job.lane, id)
    if job.session_id and redis.call('ZREM', PARKED .. job.lane, id) == 1 then
      redis.call('ZREM', parked_key(job), id)
    end
  elseif job.status == 'scheduled' then
    redis.call('ZREM', SCHEDULE .. job.lane, id)
  elseif job.status == 'waiting' then
    redis.call('ZREM', WAITING .. job.lane, id)
    -- Or a later job of the same id would wait for what this one did.
    redis.call('DEL', JOB .. id .. ':after')
  end
end

-- Gives a job one of its session's slots, which it keeps until it has ended, whoever runs it.
local function take_slot(id, job)
  redis.call('SADD', slots_key(job), id)
  redis.call('PEXPIRE', slots_key(job), DEAD_MS)
  redis.call('HSET', JOB .. id, 'slot', 1)
end

-- Gives a free slot of the job's session to the first one that waits for it.
local function unpark_one(job)
  while true do
    local found = redis.call('ZPOPMIN', parked_key(job))
    if not found[1] then return end
    redis.call('ZREM', PARKED .. job.lane, found[1])
    local next_one = load(found[1])
    if next_one and next_one.status == 'queued' then
      take_slot(found[1], job)
      enter_queue(found[1], job, found[2])
      return
    end
  end
end

local function attempt_failed(id, job, failure)
  redis.pcall('RPUSH', JOB .. id .. ':attempts', string.format(
    '{"number":%d,"worker":%s,"started_at":%d,"ended_at":%d,"error":%s}', job.attempt,
    cjson.encode(job.worker or cjson.null), tonumber(job.started_at) or now, now, failure))
  redis.call('PEXPIRE', JOB .. id .. ':attempts', ttl.pending)
end

local function failure(code, message, details)
  return string.format('{"code":"%s","message":%s,"retryable":false,"details":%s}', code, cjson.encode(message),
    details or '{}')
end

-- Ends a job for good, and with it all that wait for it if it did not succeed. `field` is 'result' or 'error'.
local function conclude(id, job, status, field, value, dead)
  local todo = {{id = id, job = job, status = status, field = field, value = value}}
  local position = 1
  while todo[position] do
    local it = todo[position]
    local id, job, record, events = it.id, it.job, JOB .. it.id, JOB .. it.id .. ':events'
    local is_dead = dead and it.status == 'failed'
    local kept_ms = is_dead and ttl.dead or ttl.ended
    position = position + 1
    leave(id, job)
    redis.call('HDEL', record, 'error', 'slot', 'dependents', 'cancel_requested_at')
    redis.call('HSET', record, 'status', it.status, it.field, it.value, 'finished_at', now)
    if it.field == 'error' then
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
      -- Only these may have failed before; what is left of them must not be taken for a later job's of the same id.
      if job.attempt ~= 1 or job.at or it.field == 'error' then redis.call('PEXPIRE', record .. ':attempts', kept_ms) end
      redis.call('DEL', ARQ_JOB .. id, ARQ_LEASE .. id, JOB .. id .. ':body')
    end
    redis.call('ZADD', ENDED .. job.lane, now, id)
    ended_lanes[job.lane] = true
    if job.expires_at then redis.call('ZREM', EXPIRING .. job.lane, id) end
    if job.unique then
      local holder = UNIQUE .. job.kind .. ':' .. job.unique
      if redis.call('GET', holder) == id then redis.call('DEL', holder) end
    end
    if job.slot and redis.call('SREM', slots_key(job), id) == 1 then unpark_one(job) end
    if job.dependents then
      for _, other in ipairs(redis.call('SMEMBERS', JOB .. id .. ':dependents')) do
        local waiting = load(other)
        if waiting and waiting.status == 'waiting' and redis.call('SREM', JOB .. other .. ':after', id) == 1 then
          if it.status ~= 'succeeded' then
            redis.call('DEL', JOB .. other .. ':after')
            table.insert(todo, {id = other, job = waiting, status = 'failed', field = 'error', value = failure(
              'dependency_failed', 'job ' .. id .. ', which this job comes after, ' .. (it.status == 'failed'
              and 'failed' or 'was cancelled'), cjson.encode({job_id = id}))})
          elseif redis.call('EXISTS', JOB .. other .. ':after') == 0 then
            leave(other, waiting)
            release(other, waiting)
          end
        end
      end
      redis.call('DEL', JOB .. id .. ':dependents')
    end
  end
end

-- Enters a job's dependencies. Returns how many are still to end, or the id and status of one that did not succeed.
local function depend(id, after)
  local unmet = 0
  for _, other in ipairs(after) do
    local status = status_of(other)
    if not status or status == 'failed' or status == 'cancelled' then return nil, other, status or 'vanished' end
    if status ~= 'succeeded' and redis.call('SADD', JOB .. id .. ':after', other) == 1 then
      redis.call('SADD', JOB .. other .. ':dependents', id)
      redis.call('PEXPIRE', JOB .. other .. ':dependents', ttl.pending + (DEAD_MS - PENDING_MS))
      redis.call('HSET', JOB .. other, 'dependents', 1)
      unmet = unmet + 1
    end
  end
  if unmet > 0 then redis.call('PEXPIRE', JOB .. id .. ':after', DEAD_MS) end
  return unmet
end

-- The ids of a set, scored by time, that have come due; `soonest_ms` learns when the next one does.
local soonest_ms = -1
local function due(set)
  local head = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  if not head[2] then return {} end
  local in_ms = math.max(1, math.ceil(tonumber(head[2]) - now))
  if soonest_ms < 0 or in_ms < soonest_ms then soonest_ms = in_ms end
  if tonumber(head[2]) > now then return {} end
  return redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, 1000)
end

-- A worker was heard. When none was for a while, or the server is another one than then, it was the server that was away:
-- owners get the time to renew.
local function hear(lane, lease_ms)
  local info = redis.pcall('INFO', 'server')
  local server = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or '-'
  local pulse = redis.call('SET', PULSE .. lane, string.format('%d %s', now, server), 'PX', ttl.pending, 'GET') or ''
  local heard, of_server = string.match(pulse, '^(%d+) (%S+)$')
  if of_server == server and now - tonumber(heard) <= lease_ms * 0.6 then return end
  local until_ms = now + lease_ms / 2
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', RUNNING .. lane, '-inf', '(' .. string.format('%d', until_ms))) do
    redis.call('ZADD', RUNNING .. lane, until_ms, id)
  end
end

local function expire(id, job)
  conclude(id, job, 'failed', 'error', failure('expired', 'the job had not started by the time that was set'))
end

-- Fails the jobs of a lane that had to start by now and have not.
local function expire_due(lane)
  for _, id in ipairs(due(EXPIRING .. lane)) do
    redis.call('ZREM', EXPIRING .. lane, id)
    local job = load(id)
    if job and not final[job.status] and not job.started_at then expire(id, job) end
  end
end

-- Says what has changed, once per lane, at a script's end.
local function publish()
  for lane in pairs(ended_lanes) do redis.call('PEXPIRE', ENDED .. lane, ttl.ended) end
  for lane in pairs(dead_lanes) do redis.call('PEXPIRE', DEAD .. lane, ttl.dead) end
  for lane, id in pairs(woken) do redis.call('PUBLISH', WAKE .. lane, id) end
end
