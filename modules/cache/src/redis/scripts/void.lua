-- void: a new generation for a collection.
-- KEYS[1] the generation   KEYS[2] its marker, if others are to hear of it   ARGV[1] the new one   ARGV[2] life in ms
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if KEYS[2] then
    redis.call('SET', KEYS[2], '')
    redis.call('DEL', KEYS[2])
end
return 1
