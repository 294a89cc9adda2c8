-- fill: replace what the loader left or saw, and only that. A lease that somebody waits for reads W instead of L; they are
-- told.
-- KEYS[1] the key   KEYS[2] its marker   ARGV[1] its expected first bytes   ARGV[2] the value, '' to leave nothing
-- ARGV[3] TTL in ms
local held = redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1)
local waited = string.sub(held, 1, 1) == 'W' and 'L' .. string.sub(held, 2) == ARGV[1]
if held ~= ARGV[1] and not waited then
    return 0
end
if ARGV[2] == '' then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
if waited then
    redis.call('SET', KEYS[2], '')
    redis.call('DEL', KEYS[2])
end
return 1
