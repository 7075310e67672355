-- Writes jobs, each in one step: its record, arq's copy, its entry in the lane, and its staged body.
-- KEYS: any key of the deployment, such as raylane:route; a cluster runs the script where this key is
-- ARGV: v (the wire version, 1), then groups of jobs. Each group is
--         number of jobs, kind, lane, session ('' for none), options ('' or a JSON object, for all jobs of the group),
--         then for each job: id, payload (JSON), body ('' for none)
-- Options: after (list of job ids), at_ms, delay_ms, expires_ms, max_attempts (whole numbers),
--          priority ('high', 'normal' or 'low'), unique, fingerprint, traceparent, tracestate (text),
--          look (true: the job only looks at the cluster or the catalog, and is not listed)
-- Returns for each job, in the order of ARGV:
--   1                          it was written
--   0                          it was there already: same id, kind, session and payload; with a fingerprint, the same
--                              fingerprint in place of the payload
--   {'taken'}                  its id belongs to another request
--   {'missing', id}            it comes after this job, which does not exist
--   {'unique', id}             this unfinished job has its unique key
--   {'option', name, problem}  an option is unknown or has a wrong value
-- Nothing is written for a job whose answer is not 1. If ARGV does not have this form, no job is written and the answer
-- is an error that begins with INVALIDARGS.
local replies, queued, history, at_us, none = {}, {}, {}, now_us, {}

local function append(list, first, second)
  list[#list + 1] = first
  list[#list + 1] = second
end

-- Returns the options as a table; or nil and the answer for each job of the group.
local function read_options(text)
  if text == '' then return none end
  local function problem_with(name, value)
    if name == 'after' then
      local problem = 'must be a list of job ids'
      if type(value) ~= 'table' then return problem end
      for i, id in pairs(value) do
        if type(i) ~= 'number' or type(id) ~= 'string' then return problem end
      end
    elseif name == 'priority' then
      if value ~= 'normal' and not head_start_ms[value] then return "must be 'high', 'normal' or 'low'" end
    elseif name == 'unique' or name == 'fingerprint' or name == 'traceparent' or name == 'tracestate' then
      if type(value) ~= 'string' then return 'must be text' end
    elseif name == 'look' then
      if type(value) ~= 'boolean' then return 'must be true or false' end
    elseif name == 'at_ms' or name == 'delay_ms' or name == 'expires_ms' or name == 'max_attempts' then
      -- Beyond 2^53 Lua's numbers are no longer exact.
      if type(value) ~= 'number' or value < 0 or value >= 2 ^ 53 or value % 1 ~= 0 then
        return 'must be a whole number, not below 0'
      end
    else
      return 'is not known; known are after, at_ms, delay_ms, expires_ms, fingerprint, look, max_attempts, priority, '
        .. 'traceparent, tracestate and unique'
    end
  end
  local is_json, options = pcall(cjson.decode, text)
  if not is_json or type(options) ~= 'table' then return nil, {'option', 'options', 'must be a JSON object'} end
  for name, value in pairs(options) do
    local problem = problem_with(name, value)
    if problem then return nil, {'option', tostring(name), problem} end
  end
  return options
end

-- Returns what the jobs of a group share: a job as `load` returns it, the fields of its record, and derived values.
local function group_of(kind, lane, session, options)
  local at = options.delay_ms and now + options.delay_ms or options.at_ms
  local job = {lane = lane, kind = kind, session_id = session ~= '' and session, attempt = 0, enqueued_at = now, at = at,
    priority = options.priority, unique = options.unique, look = options.look,
    expires_at = options.expires_ms and now + options.expires_ms}
  local fields = {'status', '', 'payload', '', 'v', ARGV[1], 'kind', kind, 'lane', lane, 'attempt', '0',
    'enqueued_at', string.format('%d', now)}
  if job.session_id then append(fields, 'session_id', session) end
  for _, name in ipairs({'max_attempts', 'traceparent', 'tracestate', 'priority', 'unique', 'fingerprint'}) do
    if options[name] then append(fields, name, options[name]) end
  end
  if options.look then append(fields, 'look', '1') end
  if at then append(fields, 'at', at) end
  if job.expires_at then append(fields, 'expires_at', job.expires_at) end
  if options.after then append(fields, 'after', cjson.encode(options.after)) end
  return {job = job, fields = fields, after = options.after or none, sets = options == none and {QUEUE} or nil,
    rank = rank(job), status = (at or 0) > now and 'scheduled' or 'queued',
    holder = job.unique and UNIQUE .. kind .. ':' .. job.unique, fingerprint = options.fingerprint,
    arq_copy = string.format('{"t":null,"f":"%s","a":[],"k":{},"et":%d}', kind, now)}
end

local function write(group, id, payload, body)
  local job, fields, record = group.job, group.fields, JOB .. id
  if redis.call('EXISTS', record) == 1 then
    local known = redis.pcall('HMGET', record, 'kind', 'session_id', 'payload', 'fingerprint')
    local same = known[1] == job.kind and known[2] == job.session_id and known[4] == (group.fingerprint or false)
    -- What a caller asks for may have another payload later, such as a follow-up of a job that has gone on.
    return same and (known[4] or known[3] == payload) and 0 or {'taken'}
  end
  if group.holder then
    local holder = own('GET', group.holder)
    local live = holder and load(holder)
    if live and not final[live.status] then return {'unique', holder} end
  end
  for _, other in ipairs(group.after) do
    if not status_of(other) then return {'missing', other} end
  end
  local unmet, failed_id, its_status = depend(id, group.after)
  job.status = unmet == 0 and group.status or 'waiting'

  fields[2], fields[4] = job.status, payload
  redis.call('HSET', record, unpack(fields))
  if body ~= '' then redis.call('SET', record .. BODY, body) end
  redis.call('SET', ARQ_JOB .. id, group.arq_copy)
  if group.holder then redis.call('SET', group.holder, id) end
  if job.expires_at then redis.call('ZADD', EXPIRING .. job.lane, job.expires_at, id) end
  if job.session_id and not job.look then
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
    if failed_id then
      redis.call('DEL', record .. AFTER)
      local what = its_status == 'failed' and 'had failed' or 'was cancelled'
      conclude(id, job, 'failed', 'error', dependency_failed(failed_id, what))
    end
  end
  return 1
end

local function add_all(call, set, scored)
  for i = 1, #scored, 1000 do call('ZADD', set, unpack(scored, i, math.min(i + 999, #scored))) end
end

-- All groups are read before the first job is written, so that a malformed call changes nothing.
local groups, i = {}, 2
if not ARGV[1] then return redis.error_reply('INVALIDARGS enqueue: no wire version') end
while ARGV[i] do
  local count = tonumber(ARGV[i])
  if not count or count < 1 or count % 1 ~= 0 then
    return redis.error_reply('INVALIDARGS enqueue: argument ' .. i .. ' must be the number of jobs in a group, not '
      .. string.sub(ARGV[i], 1, 40))
  end
  local last = i + 4 + 3 * count
  if not ARGV[last] then
    return redis.error_reply(string.format('INVALIDARGS enqueue: the group at argument %d has %.0f jobs and needs %.0f '
      .. 'arguments, but only %d are left', i, count, 5 + 3 * count, #ARGV - i + 1))
  end
  local options, refusal = read_options(ARGV[i + 4])
  groups[#groups + 1] = {first = i + 5, last = last, refusal = refusal,
    shared = options and group_of(ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], options)}
  i = last + 1
end

for _, group in ipairs(groups) do
  local refusal = group.shared and refusal_of(group.shared.job.lane, group.shared.sets)
  if refusal then return refusal end
end
for _, group in ipairs(groups) do
  for j = group.first, group.last, 3 do
    replies[#replies + 1] = group.refusal or write(group.shared, ARGV[j], ARGV[j + 1], ARGV[j + 2])
    -- The clock does not move within a script. A microsecond for each job keeps the order of a batch.
    at_us = at_us + 1
  end
end
for lane, ranked in pairs(queued) do add_all(redis.call, QUEUE .. lane, ranked) end
for session, scored in pairs(history) do
  local jobs = SESSION .. session .. HISTORY
  add_all(own, jobs, scored)
  redis.call('ZREMRANGEBYRANK', jobs, 0, -10001)
  redis.call('PEXPIRE', jobs, DEAD_MS)
end
publish()
return replies
