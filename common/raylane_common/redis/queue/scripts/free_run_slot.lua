-- Frees the run slot of a job, if it has one. Only for the job's owner.
-- ARGV: id, token
-- Returns 1, or 0 if the job has another owner or has ended.
write_when_full()
local id, token = ARGV[1], ARGV[2]
local job = load(id)
if not job or job.owner ~= token or final[job.status] then return 0 end
free_run_slot(id, job)
return 1
