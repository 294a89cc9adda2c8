-- epoch: the larger of the one known here and the caller's, which it becomes.
-- KEYS[1] the key   ARGV[1] the caller's epoch
local known = tonumber(redis.call('GET', KEYS[1])) or 0
local caller = tonumber(ARGV[1])
if caller > known then
    redis.call('SET', KEYS[1], ARGV[1])
    return caller
end
return known
