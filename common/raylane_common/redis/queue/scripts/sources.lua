-- Prepended to the scripts that add sources: the newest upload of each file, and the limits of a session.
-- NEWEST is a hash from the field of a file to 'enqueued_us:bytes:id' of the newest upload that was about to write it.
-- A purge writes its own id there, after `of_purge`.
-- It outlives the source, so that no older upload can bring back a source whose bytes are gone.
local of_purge = 'purge:'

-- Returns when a job was enqueued. The history orders the jobs of one millisecond, too.
local function enqueued_us(session, id, enqueued_ms)
  local score = redis.pcall('ZSCORE', SESSION .. session .. HISTORY, id)
  return type(score) == 'string' and tonumber(score) or tonumber(enqueued_ms) * 1000
end

-- Returns the newest upload of a file as a table; nil if there is none.
local function newest_of(session, field)
  local value = redis.pcall('HGET', SESSION .. session .. NEWEST, field)
  local at_us, bytes, id = string.match(type(value) == 'string' and value or '', '^(%d+):(%d+):(.+)$')
  return id and {at_us = tonumber(at_us), bytes = tonumber(bytes), id = id}
end

local function is_of_purge(upload) return string.sub(upload.id, 1, #of_purge) == of_purge end

local function remember(session, field, at_us, bytes, id, ttl_ms)
  local newest = SESSION .. session .. NEWEST
  own('HSET', newest, field, string.format('%.0f:%.0f:%s', at_us, bytes, id))
  redis.call('PEXPIRE', newest, ttl_ms)
end

-- Returns nil if the session may have the sources `added`, a table from field to bytes, in place of those with the same
-- fields; else {'full', its sources, their bytes}. A limit of 0 is none. A session keeps what it has, even if
-- a limit was lowered.
local function refusal_of_room(session, added, max_sources, max_bytes)
  if max_sources == 0 and max_bytes == 0 then return end
  local present = redis.pcall('HKEYS', SESSION .. session .. SOURCES)
  local had, had_bytes, has, has_bytes = 0, 0, 0, 0
  for _, field in ipairs(present.err and {} or present) do
    local newest = newest_of(session, field)
    had, had_bytes = had + 1, had_bytes + (newest and newest.bytes or 0)
    if not added[field] then has, has_bytes = has + 1, has_bytes + (newest and newest.bytes or 0) end
  end
  for _, bytes in pairs(added) do has, has_bytes = has + 1, has_bytes + bytes end
  local has_too_many = max_sources > 0 and has > math.max(max_sources, had)
  local is_too_large = max_bytes > 0 and has_bytes > math.max(max_bytes, had_bytes)
  if has_too_many or is_too_large then return {'full', had, string.format('%.0f', had_bytes)} end
end
