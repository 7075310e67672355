-- Prepended to every script: the clock, the check for a full server, and the fields of jobs.
-- Times come from the server's clock, so the clocks of workers and producers do not matter. Names in capitals, such as
-- JOB, are replaced by their values before a script is sent: key prefixes and suffixes by those in keys.py.
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)
local final = {succeeded = true, failed = true, cancelled = true}
-- An hour, so that a low-priority job waits behind newer ones for two hours at most.
local head_start_ms = {high = -3600000, low = 3600000}
local is_full = false

-- Makes a full server carry out the script's writes. The server refuses a command that may need memory only as the
-- first write of a script, so this makes a write that needs none. Every script but `enqueue` begins with it, because
-- workers free memory and must not stop when it is full. See docs/decisions/0015.
local function write_when_full()
  local answer = redis.pcall('ZADD', ROUTE, 'XX', 0, '')
  local is_refused = type(answer) == 'table'
  is_full = is_refused and string.find(answer.err, 'OOM', 1, true) ~= nil
  if is_refused then redis.call('DEL', ROUTE) end
end

local fields_of_job = {'status', 'lane', 'kind', 'session_id', 'attempt', 'max_attempts', 'enqueued_at', 'at', 'priority',
  'expires_at', 'unique', 'look', 'slot', 'dependents', 'owner', 'worker', 'started_at', 'cancel_requested_at', 'run_slot',
  'run_line'}

local sets_of_lane = {QUEUE, SCHEDULE, WAITING, PARKED, RUNNING, EXPIRING, ENDED, LOOKS, DEAD}
local types = {}

-- Returns nil if the lane can be used, and else an error that names a set of the lane that holds another type. `needed`
-- lists the sets to check, by default all. A script calls this before its first write, because its writes are not
-- undone.
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

-- Runs a command on a key that belongs to one job, one session or one Ray cluster. If another program has written
-- another type there, deletes the key first, because it must not stop other jobs.
local function own(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  -- A stream that has the last possible id accepts no further entry.
  if string.find(answer.err, 'WRONGTYPE') or string.find(answer.err, 'exhausted') then redis.call('DEL', key) end
  return redis.call(command, key, ...)
end

-- Returns a field of a record as a whole number; false if it is not one.
local function whole(value)
  local number = tonumber(value)
  -- Beyond 2^53 Lua's numbers are no longer exact. NaN fails both comparisons.
  return number and number >= 0 and number < 2 ^ 53 and number % 1 == 0 and number
end

-- Replaces the fields of a record that a script cannot use, because another program may have written them. The worker
-- reads the record as it is, and fails the job if a field is wrong.
local function clean(job, lane)
  job.lane = lane or (job.lane and #job.lane <= 64 and string.match(job.lane, '^[%w_-]+$')) or 'none'
  job.kind, job.attempt, job.look = job.kind or '', whole(job.attempt) or 0, job.look == '1'
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
