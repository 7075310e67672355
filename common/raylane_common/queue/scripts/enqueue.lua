-- Writes jobs, each in one step: record, arq's copy, its place in the lane, staged body.
-- ARGV: v, then for each job: id, kind, lane, session ('' if none), payload, body ('' if none), options ('' or JSON with any of
--       max_attempts, after, at_ms, delay_ms, expires_ms, priority, unique, traceparent)
-- Returns for each job 1 (written), 0 (it stood there before), {'taken'}, {'missing', id of a dependency} or
-- {'unique', id of the live job that has the key}.
local replies, sessions, queued, arq_copies, at_us, none = {}, {}, {}, {}, now_us, {}

local function append(fields, name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end

local function write(id, kind, lane, session, payload, body, options)
  local record = JOB .. id
  if redis.call('EXISTS', record) == 1 then
    local known = redis.pcall('HMGET', record, 'kind', 'session_id', 'payload')
    local same = known[1] == kind and (known[2] or '') == session and known[3] == payload
    return same and 0 or {'taken'}
  end
  if options.unique then
    local holder = redis.call('GET', UNIQUE .. kind .. ':' .. options.unique)
    local job = holder and load(holder)
    if job and not final[job.status] then return {'unique', holder} end
  end
  for _, other in ipairs(options.after or none) do
    if not status_of(other) then return {'missing', other} end
  end

  local job = {lane = lane, kind = kind, session_id = session ~= '' and session, attempt = 0,
    priority = options.priority, unique = options.unique, at = options.at_ms, enqueued_at = now}
  if options.delay_ms then job.at = now + options.delay_ms end
  if options.expires_ms then job.expires_at = now + options.expires_ms end
  local kept_ms = ttl.pending + math.max(0, (job.at or 0) - now)
  local fields = {'v', ARGV[1], 'kind', kind, 'lane', lane, 'attempt', 0, 'payload', payload, 'enqueued_at', now}
  if job.session_id then append(fields, 'session_id', session) end
  if options ~= none then
    for _, name in ipairs({'max_attempts', 'traceparent', 'priority', 'unique'}) do
      if options[name] then append(fields, name, options[name]) end
    end
    if job.at then append(fields, 'at', job.at) end
    if job.expires_at then append(fields, 'expires_at', job.expires_at) end
    if options.after then append(fields, 'after', cjson.encode(options.after)) end
  end

  job.status = 'queued'
  local unmet, culprit, its_status = 0
  if options.after then
    unmet, culprit, its_status = depend(id, options.after)
    if unmet == 0 then job.status = 'queued' else job.status = 'waiting' end
  end
  if job.status == 'queued' and (job.at or 0) > now then job.status = 'scheduled' end
  redis.call('HSET', record, 'status', job.status, unpack(fields))
  redis.call('PEXPIRE', record, kept_ms)
  if body ~= '' then redis.call('SET', record .. ':body', body, 'PX', kept_ms) end
  if not arq_copies[kind] then
    arq_copies[kind] = string.format('{"t":null,"f":"%s","a":[],"k":{},"et":%d}', kind, now)
  end
  redis.call('SET', ARQ_JOB .. id, arq_copies[kind], 'PX', kept_ms)
  if job.unique then redis.call('SET', UNIQUE .. kind .. ':' .. job.unique, id, 'PX', kept_ms) end
  if job.expires_at then redis.call('ZADD', EXPIRING .. lane, job.expires_at, id) end
  if job.session_id then
    redis.call('ZADD', SESSION .. session .. ':jobs', at_us, id)
    sessions[session] = true
  end

  if job.status == 'queued' then
    queued[lane] = queued[lane] or {}
    append(queued[lane], rank(job) + at_us / 1000 - now, id)
    woken[lane] = id
  elseif job.status == 'scheduled' then
    redis.call('ZADD', SCHEDULE .. lane, job.at, id)
    woken[lane] = id
  else
    redis.call('ZADD', WAITING .. lane, now, id)
    if culprit then
      redis.call('DEL', record .. ':after')
      conclude(id, job, 'failed', 'error', failure('dependency_failed', 'job ' .. culprit
        .. ', which this job comes after, ' .. (its_status == 'failed' and 'had failed' or 'was cancelled'),
        cjson.encode({job_id = culprit})))
    end
  end
  return 1
end

for i = 2, #ARGV, 7 do
  local options = ARGV[i + 6] ~= '' and cjson.decode(ARGV[i + 6]) or none
  replies[#replies + 1] = write(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], options)
  -- The clock stands still within a script; jobs of one batch keep their order all the same.
  at_us = at_us + 1
end
for lane, ranked in pairs(queued) do
  for i = 1, #ranked, 1000 do redis.call('ZADD', QUEUE .. lane, unpack(ranked, i, math.min(i + 999, #ranked))) end
end
for session in pairs(sessions) do
  redis.call('ZREMRANGEBYRANK', SESSION .. session .. ':jobs', 0, -10001)
  redis.call('PEXPIRE', SESSION .. session .. ':jobs', DEAD_MS)
end
publish()
return replies
