-- invalidate: new generations for tags, for all of them at once.
-- KEYS the generations, then, if others are to hear of it, their markers, all of one slot   ARGV[1] TTL in ms
-- ARGV[2…] the new generations
local count = #ARGV - 1
for number = 1, count do
    redis.call('SET', KEYS[number], ARGV[number + 1], 'PX', ARGV[1])
end
for number = count + 1, #KEYS do
    redis.call('SET', KEYS[number], '')
    redis.call('DEL', KEYS[number])
end
return 1
