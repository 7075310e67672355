-- Writes record, arq job, queue entry, event and staged body in one step, or finds the id taken.
-- KEYS: record, events, arq job, queue, body, session's jobs
-- ARGV: id, v, kind, lane, session ('' if none), max_attempts ('' = the lane's), payload, body, pending_ttl_ms,
--       session_ttl_ms, events_max, wake channel, traceparent
-- Returns {1} or {0, kind, session, payload} of the job that has the id.
if redis.call('EXISTS', KEYS[1]) == 1 then
  local found = redis.call('HMGET', KEYS[1], 'kind', 'session_id', 'payload')
  return {0, found[1] or '', found[2] or '', found[3] or ''}
end
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local id, kind, session, ttl = ARGV[1], ARGV[3], ARGV[5], ARGV[9]

redis.call('HSET', KEYS[1], 'v', ARGV[2], 'kind', kind, 'lane', ARGV[4], 'status', 'queued', 'attempt', 0,
  'payload', ARGV[7], 'enqueued_at', now)
if session ~= '' then redis.call('HSET', KEYS[1], 'session_id', session) end
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'max_attempts', ARGV[6]) end
if ARGV[13] ~= '' then redis.call('HSET', KEYS[1], 'traceparent', ARGV[13]) end
redis.call('PEXPIRE', KEYS[1], ttl)

if ARGV[8] ~= '' then redis.call('SET', KEYS[5], ARGV[8], 'PX', ttl) end
redis.call('SET', KEYS[3], '{"t":null,"f":' .. cjson.encode(kind) .. ',"a":[],"k":{},"et":' .. string.format('%d', now) .. '}',
  'PX', ttl)
redis.call('ZADD', KEYS[4], now, id)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[11], '*', 'type', 'status', 'status', 'queued', 'at', now)
redis.call('PEXPIRE', KEYS[2], ttl)
if session ~= '' then
  redis.call('ZADD', KEYS[6], micros, id)
  redis.call('PEXPIRE', KEYS[6], ARGV[10])
end
redis.call('PUBLISH', ARGV[12], id)
return {1}
