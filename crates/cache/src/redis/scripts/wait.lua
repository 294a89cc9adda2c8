-- wait: asks whoever holds the lease to tell when it has filled. How long the lease may still last in ms; -1 if it is gone.
-- KEYS[1] the key   ARGV[1] the lease as it was found, L or W
local held = redis.call('GETRANGE', KEYS[1], 0, #ARGV[1])
if string.sub(held, 2) ~= string.sub(ARGV[1], 2) or not string.find(held, '^[LW]') then
    return -1
end
redis.call('SET', KEYS[1], 'W' .. string.sub(held, 2), 'KEEPTTL')
return redis.call('PTTL', KEYS[1])
