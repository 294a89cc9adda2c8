-- epoch: who works with the keys of this prefix, and the epoch that all of them agree on: the highest that is known.
-- KEYS[1] the key
-- ARGV[1] the caller's history      ARGV[2] the one that it follows, if the caller has seen it change
-- ARGV[3] the caller's epoch        ARGV[4] its commits; both have 20 digits and a seal, so that they compare as texts
-- ARGV[5] the caller's process, or one word for all that share the database
-- ARGV[6] for how long the caller counts as present, in milliseconds
-- ARGV[7] 'open' to take the place of another process of this history, 'beat' to find that another one has taken it
-- Returns 'ok', the epoch and the commits (and has changed nothing if another process is present that knows more); 'database' and its history when those of another one are present; or 'process' and until when that one counts as present: it is renewed for as long as the process lives.
-- What is not of this form, or of another type (pcall returns a table then), is not ours.
local held = redis.pcall('GET', KEYS[1])
local form = '^(%x+) (%S+) (%S+) (%S+) (%d+)$'
local history, epoch, commits, process, present_until = string.match(type(held) == 'string' and held or '', form)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local present = history and tonumber(present_until) > now
if present and history ~= ARGV[1] and not (history == ARGV[2] and process == ARGV[5]) then
    return 'database ' .. history
end
local other = present and history == ARGV[1] and process ~= ARGV[5]
if other and ARGV[7] == 'beat' then
    return 'process ' .. present_until
end
local function higher(known, caller)
    return history == ARGV[1] and #known == #caller and known > caller and known or caller
end
local known = ' ' .. higher(epoch, ARGV[3]) .. ' ' .. higher(commits, ARGV[4])
-- A copy of the database that was left behind does not take the place of the one that went on.
if other and (epoch > ARGV[3] or commits > ARGV[4]) then
    return 'ok' .. known
end
-- Also when nothing changes: a server that has become a replica, whose memory is soon another's, must not pass for well.
redis.call('SET', KEYS[1], ARGV[1] .. known .. ' ' .. ARGV[5] .. ' ' .. string.format('%.0f', now + ARGV[6]))
return 'ok' .. known
