-- Ends a job that is not running; asks the worker of a running job to stop it.
-- ARGV: id, error as JSON
-- Returns the job's new status ('running' while it is being stopped); '' if there is no such job.
write_when_full()
local id = ARGV[1]
local job = load(id)
if not job then return '' end
if final[job.status] then return job.status end
if refusal_of(job.lane) then return refusal_of(job.lane) end
if job.status == 'running' or (job.started_at and job.lane ~= 'none') then
  -- An attempt may have left a run on the cluster. A worker has to stop it, even if the one that started it is dead.
  redis.call('HSETNX', JOB .. id, 'cancel_requested_at', now)
  if job.status == 'running' then
    redis.call('PUBLISH', CANCEL .. job.lane, id)
  else
    leave(id, job)
    redis.call('HSET', JOB .. id, 'status', 'queued')
    enter_queue(id, job, rank(job))
    announce(id, job, 'queued', 'attempt', job.attempt)
  end
  publish()
  return 'running'
end
redis.call('DEL', JOB .. id .. AFTER)
conclude(id, job, 'cancelled', 'error', ARGV[2])
publish()
return 'cancelled'
