-- Ends a job that does not run; asks the worker of one that does to stop it.
-- ARGV: id, error   Returns the job's status afterwards, or '' if there is no such job.
local id = ARGV[1]
local job = load(id)
if not job then return '' end
if final[job.status] then return job.status end
if job.status == 'running' or job.started_at then
  -- An attempt may have left a run on the cluster: a worker has to stop it, also one that takes over from a dead one.
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
redis.call('DEL', JOB .. id .. ':after')
conclude(id, job, 'cancelled', 'error', ARGV[2])
publish()
return 'cancelled'
