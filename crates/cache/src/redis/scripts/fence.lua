-- fence: from absent, a lease or a value. Refused while another writer's fence stands, of this run of the server: one that
-- a snapshot has brought back bars nobody.
-- KEYS[1] the key   KEYS[2] its marker, if others are to hear of it   ARGV[1] the fence   ARGV[2] TTL in ms
-- Of another type it is not ours (pcall returns a table then), and makes room like anything that is no fence.
local held = redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[1])
if type(held) == 'string' and #held == #ARGV[1] and string.find(held, '^[FO]') and held ~= ARGV[1]
    and string.sub(held, 18) == string.sub(ARGV[1], 18) then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if KEYS[2] then
    redis.call('SET', KEYS[2], '')
    redis.call('DEL', KEYS[2])
end
return 1
