-- Takes up to `limit` due jobs of a lane. A running job stays in the queue, scored by the end of its lease, so a job whose
-- worker died comes due again by itself, and running jobs never stand in front of waiting ones.
-- KEYS: queue
-- ARGV: limit, worker, token, lease_ms, lane's max_attempts, pending_ttl_ms, final_ttl_ms, events_max,
--       then key parts: job prefix, events suffix, body suffix, arq job prefix, lease prefix
-- Returns {ms until the next job comes due or -1, {id, record as flat list}, ...}.
local limit, worker, token, lease_ms = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000000 + time[2]) / 1000)
local reply = {-1}

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, limit)) do
  local record, events = ARGV[9] .. id, ARGV[9] .. id .. ARGV[10]
  local body, arq_job, lease = ARGV[9] .. id .. ARGV[11], ARGV[12] .. id, ARGV[13] .. id
  local status = redis.call('HGET', record, 'status')
  local lease_left = redis.call('PTTL', lease)
  if not status or status == 'succeeded' or status == 'failed' or status == 'cancelled' then
    redis.call('ZREM', KEYS[1], id)
    redis.call('DEL', arq_job, lease, body)
  elseif lease_left > 0 then
    redis.call('ZADD', KEYS[1], now + lease_left, id)
  else
    redis.call('HSETNX', record, 'max_attempts', ARGV[5])
    local attempt = redis.call('HINCRBY', record, 'attempt', 1)
    local max_attempts = tonumber(redis.call('HGET', record, 'max_attempts')) or 1
    if attempt > max_attempts then
      -- Only a dead worker gets here: every other end of a last attempt is written by its owner.
      attempt = redis.call('HINCRBY', record, 'attempt', -1)
      local failure = cjson.encode({code = 'worker_lost', retryable = false,
        message = 'the worker died during each of ' .. attempt .. ' attempts; see the workers\' logs'})
      redis.call('HSET', record, 'status', 'failed', 'error', failure, 'finished_at', now)
      redis.call('HDEL', record, 'owner')
      redis.call('ZREM', KEYS[1], id)
      redis.call('DEL', arq_job, body)
      redis.call('XADD', events, 'MAXLEN', '~', ARGV[8], '*', 'type', 'status', 'status', 'failed', 'at', now,
        'attempt', attempt, 'error', failure)
      redis.call('PEXPIRE', record, ARGV[7])
      redis.call('PEXPIRE', events, ARGV[7])
    else
      redis.call('SET', lease, token, 'PX', lease_ms)
      redis.call('ZADD', KEYS[1], now + lease_ms, id)
      redis.call('HSET', record, 'status', 'running', 'owner', token, 'worker', worker, 'started_at', now)
      redis.call('XADD', events, 'MAXLEN', '~', ARGV[8], '*', 'type', 'status', 'status', 'running', 'at', now,
        'attempt', attempt)
      for _, key in ipairs({record, events, arq_job, body}) do redis.call('PEXPIRE', key, ARGV[6]) end
      table.insert(reply, {id, redis.call('HGETALL', record)})
    end
  end
end

local head = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if head[2] then reply[1] = math.max(0, math.ceil(tonumber(head[2]) - now)) end
return reply
