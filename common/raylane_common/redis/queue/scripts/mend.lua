-- Restores jobs that are in no set of their lane. Deletes bodies that no job needs, and what is left of jobs without
-- a record.
-- ARGV: lane, lease_ms, number of kinds, the kinds of the lane, then for each job of any lane: id, and 1 if a key
--       of the job other than its record was seen, else 0
-- Returns the ids of the jobs that were changed.
write_when_full()
local lane, lease_ms, kinds, changed = ARGV[1], tonumber(ARGV[2]), {}, {}
local first = 4 + ARGV[3]
for i = 4, first - 1 do kinds[ARGV[i]] = true end
if refusal_of(lane) then return refusal_of(lane) end

for i = first, #ARGV, 2 do
  local id = ARGV[i]
  local job = load(id)
  if not job then
    if ARGV[i + 1] == '1' then changed[#changed + 1] = id end
    forget(id, lane)
  elseif final[job.status] then
    local needed = ARGV[i + 1] == '0' or refusal_of(job.lane) or redis.call('ZSCORE', DEAD .. job.lane, id)
    if not needed and redis.call('DEL', JOB .. id .. BODY) == 1 then changed[#changed + 1] = id end
  elseif job.lane == lane or kinds[job.kind] then
    -- Another program may have changed the lane in the record. The kind says where the job can run.
    job.lane = lane
    if restore_or_reject(id, job, lease_ms) then changed[#changed + 1] = id end
  end
end
publish()
return changed
