-- Extends leases, each only for its owner.
-- ARGV: lane, lease_ms, then for each job: id, token
-- Returns the id of the server, then for each job 1 (held), 0 (the job has another owner, or has ended) or 2 (held, and its
-- user cancelled it).
write_when_full()
local lane, lease_ms = ARGV[1], tonumber(ARGV[2])
if refusal_of(lane) then return refusal_of(lane) end
local replies = {note_contact(lane, lease_ms)}
for i = 3, #ARGV, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local record = redis.pcall('HMGET', JOB .. id, 'owner', 'status', 'cancel_requested_at', 'session_id', 'attempt')
  if record[1] ~= token or final[record[2]] then
    replies[#replies + 1] = 0
  else
    if record[2] ~= 'running' then
      -- The lease ran out, but no other worker has claimed the job.
      local job = {status = record[2], lane = lane, session_id = record[4]}
      leave(id, job)
      redis.call('HSET', JOB .. id, 'status', 'running')
      announce(id, job, 'running', 'attempt', record[5] or 0)
    end
    redis.call('ZADD', RUNNING .. lane, now + lease_ms, id)
    redis.call('SET', ARQ_LEASE .. id, token, 'PX', lease_ms)
    replies[#replies + 1] = record[3] and 2 or 1
  end
end
return replies
