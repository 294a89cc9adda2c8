-- release: the own fence makes room for the new value or for nothing. When it is gone (expired, or the server lost it),
-- what stands in its place may be older than the write and goes too; and others, who may have copied it, are told. Another
-- writer's fence of this run of the server stays, but is overtaken (O): what that writer would leave may be older as well,
-- so that its own release then leaves nothing.
-- KEYS[1] the key   KEYS[2] its marker, if others are to hear of it   ARGV[1] the fence   ARGV[2] the value, '' to leave
-- nothing   ARGV[3] TTL in ms
-- One byte more than a fence has; a table if the key is of another type.
local held = redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[1])
local fenced = type(held) == 'string' and #held == #ARGV[1] and string.find(held, '^[FO]')
if fenced and string.sub(held, 2) == string.sub(ARGV[1], 2) then
    if held == ARGV[1] and ARGV[2] ~= '' then
        redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    else
        redis.call('DEL', KEYS[1])
    end
    return 1
end
if fenced and string.sub(held, 18) == string.sub(ARGV[1], 18) then
    redis.call('SET', KEYS[1], 'O' .. string.sub(held, 2), 'KEEPTTL')
else
    redis.call('DEL', KEYS[1])
end
if KEYS[2] then
    redis.call('SET', KEYS[2], '')
    redis.call('DEL', KEYS[2])
end
return 0
