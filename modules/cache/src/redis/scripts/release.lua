-- release: the own fence makes room for the new value or for nothing. When it is gone (expired, or the server lost it),
-- what stands in its place may be older than the write and goes too, unless it is another writer's fence of this run of
-- the server; and others, who may have copied it, are told.
-- KEYS[1] the key   KEYS[2] its marker, if others are to hear of it   ARGV[1] the fence   ARGV[2] the value, '' to leave
-- nothing   ARGV[3] life in ms
-- One byte more than a fence has; a table if the key is of another type.
local held = redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[1])
if held == ARGV[1] then
    if ARGV[2] ~= '' then
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    else
        redis.call('DEL', KEYS[1])
    end
    return 1
end
if type(held) ~= 'string' or #held ~= #ARGV[1] or string.sub(held, 1, 1) ~= 'F'
    or string.sub(held, 18) ~= string.sub(ARGV[1], 18) then
    redis.call('DEL', KEYS[1])
end
if KEYS[2] then
    redis.call('SET', KEYS[2], '')
    redis.call('DEL', KEYS[2])
end
return 0
