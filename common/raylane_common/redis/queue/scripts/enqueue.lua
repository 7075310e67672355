-- Writes jobs, each in one step: record, arq's copy, its place in the lane, staged body.
-- ARGV: v, then groups of jobs that have in common what stands before them:
--       number of jobs, kind, lane, session ('' if none), options ('' or JSON with any of max_attempts, after, at_ms,
--       delay_ms, expires_ms, priority, unique, traceparent), then for each job: id, payload, body ('' if none)
-- Returns for each job 1 (written), 0 (it stood there before), {'taken'}, {'missing', id of a dependency} or
-- {'unique', id of the live job that has the key}.
local replies, queued, history, at_us, none = {}, {}, {}, now_us, {}

local function append(list, first, second)
  list[#list + 1] = first
  list[#list + 1] = second
end

-- What the jobs of a group have in common: a job as `load` gives it, the fields of its record, and what else is written.
local function common(kind, lane, session, options)
  local at = options.delay_ms and now + options.delay_ms or options.at_ms
  local job = {lane = lane, kind = kind, session_id = session ~= '' and session, attempt = 0, enqueued_at = now, at = at,
    priority = options.priority, unique = options.unique, expires_at = options.expires_ms and now + options.expires_ms}
  local fields = {'status', '', 'payload', '', 'v', ARGV[1], 'kind', kind, 'lane', lane, 'attempt', '0',
    'enqueued_at', string.format('%d', now)}
  if job.session_id then append(fields, 'session_id', session) end
  for _, name in ipairs({'max_attempts', 'traceparent', 'priority', 'unique'}) do
    if options[name] then append(fields, name, options[name]) end
  end
  if at then append(fields, 'at', at) end
  if job.expires_at then append(fields, 'expires_at', job.expires_at) end
  if options.after then append(fields, 'after', cjson.encode(options.after)) end
  return {job = job, fields = fields, after = options.after or none,
    rank = rank(job), status = (at or 0) > now and 'scheduled' or 'queued',
    holder = job.unique and UNIQUE .. kind .. ':' .. job.unique,
    kept_ms = string.format('%d', ttl.pending + math.max(0, (at or 0) - now)),
    arq_copy = string.format('{"t":null,"f":"%s","a":[],"k":{},"et":%d}', kind, now)}
end

local function write(group, id, payload, body)
  local job, fields, kept_ms, record = group.job, group.fields, group.kept_ms, JOB .. id
  if redis.call('EXISTS', record) == 1 then
    local known = redis.pcall('HMGET', record, 'kind', 'session_id', 'payload')
    local same = known[1] == job.kind and known[2] == job.session_id and known[3] == payload
    return same and 0 or {'taken'}
  end
  if group.holder then
    local holder = redis.call('GET', group.holder)
    local live = holder and load(holder)
    if live and not final[live.status] then return {'unique', holder} end
  end
  for _, other in ipairs(group.after) do
    if not status_of(other) then return {'missing', other} end
  end
  local unmet, culprit, its_status = depend(id, group.after)
  job.status = unmet == 0 and group.status or 'waiting'

  fields[2], fields[4] = job.status, payload
  redis.call('HSET', record, unpack(fields))
  redis.call('PEXPIRE', record, kept_ms)
  if body ~= '' then redis.call('SET', record .. ':body', body, 'PX', kept_ms) end
  redis.call('SET', ARQ_JOB .. id, group.arq_copy, 'PX', kept_ms)
  if group.holder then redis.call('SET', group.holder, id, 'PX', kept_ms) end
  if job.expires_at then redis.call('ZADD', EXPIRING .. job.lane, job.expires_at, id) end
  if job.session_id then
    history[job.session_id] = history[job.session_id] or {}
    append(history[job.session_id], at_us, id)
  end

  if job.status == 'queued' then
    queued[job.lane] = queued[job.lane] or {}
    append(queued[job.lane], group.rank + at_us / 1000 - now, id)
    woken[job.lane] = id
  elseif job.status == 'scheduled' then
    redis.call('ZADD', SCHEDULE .. job.lane, job.at, id)
    woken[job.lane] = id
  else
    redis.call('ZADD', WAITING .. job.lane, now, id)
    if culprit then
      redis.call('DEL', record .. ':after')
      conclude(id, job, 'failed', 'error', failure('dependency_failed', 'job ' .. culprit
        .. ', which this job comes after, ' .. (its_status == 'failed' and 'had failed' or 'was cancelled'),
        cjson.encode({job_id = culprit})))
    end
  end
  return 1
end

local function add_all(set, scored)
  for i = 1, #scored, 1000 do redis.call('ZADD', set, unpack(scored, i, math.min(i + 999, #scored))) end
end

local i = 2
while ARGV[i] do
  local options = ARGV[i + 4] ~= '' and cjson.decode(ARGV[i + 4]) or none
  local group = common(ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], options)
  local last = i + 2 + 3 * tonumber(ARGV[i])
  for j = i + 5, last, 3 do
    replies[#replies + 1] = write(group, ARGV[j], ARGV[j + 1], ARGV[j + 2])
    -- The clock stands still within a script; jobs of one batch keep their order all the same.
    at_us = at_us + 1
  end
  i = last + 3
end
for lane, ranked in pairs(queued) do add_all(QUEUE .. lane, ranked) end
for session, scored in pairs(history) do
  local jobs = SESSION .. session .. ':jobs'
  add_all(jobs, scored)
  redis.call('ZREMRANGEBYRANK', jobs, 0, -10001)
  redis.call('PEXPIRE', jobs, DEAD_MS)
end
publish()
return replies
