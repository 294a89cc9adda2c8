-- fill: replace what the loader left or saw, and only that.
-- KEYS[1] the key   ARGV[1] its expected first bytes   ARGV[2] the value, '' to leave nothing   ARGV[3] life in ms
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then
    return 0
end
if ARGV[2] == '' then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
