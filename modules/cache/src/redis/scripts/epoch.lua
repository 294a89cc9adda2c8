-- epoch: the larger of the one known here and the caller's, which it becomes.
-- KEYS[1] the key   ARGV[1] the caller's epoch
-- Anything but a plain number, or of another type (pcall returns a table then), is not ours.
local held = redis.pcall('GET', KEYS[1])
local known = type(held) == 'string' and #held <= 15 and string.match(held, '^%d+$') and tonumber(held) or 0
local caller = tonumber(ARGV[1])
if caller > known then
    known = caller
end
-- Also when nothing changes: a server that has become a replica, whose memory is soon another's, must not pass for well.
redis.call('SET', KEYS[1], string.format('%.0f', known))
return known
