-- fence: from absent, a lease or a value. Refused while another writer's fence stands.
-- KEYS[1] the key   ARGV[1] the fence   ARGV[2] life in ms
if redis.call('GETRANGE', KEYS[1], 0, 0) == 'F' and redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
