-- Sets or unsets a setting, and announces it to all workers.
-- ARGV: name, value (absent: unset)
write_when_full()
if ARGV[2] then
  own('HSET', SETTINGS, ARGV[1], ARGV[2])
else
  own('HDEL', SETTINGS, ARGV[1])
end
redis.call('PUBLISH', SETTINGS_CHANGED, ARGV[1])
