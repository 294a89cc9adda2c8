-- generations: those that count now, and the proposed ones where there are none. Each ends by itself. One that a reader has
-- proposed gets a new TTL when it is read; one that a writer has set never, since what was loaded under it must end
-- with it if the writer has died. They are told apart by what is left of their TTLs.
-- KEYS the generations, all of one slot   ARGV[1] TTL in ms of a reader's   ARGV[2] in ms, what a writer's has left at most
-- ARGV[3…] one proposal for each
local current = {}
local ttl, of_writers = tonumber(ARGV[1]), tonumber(ARGV[2])
for number, key in ipairs(KEYS) do
    local held = redis.call('GET', key)
    local left = held and redis.call('PTTL', key)
    -- Less than 0: it has no end, which nobody gives it any more.
    if not held or left < 0 or (left > of_writers and left < ttl - of_writers) then
        held = held or ARGV[number + 2]
        -- Not PEXPIRE: so no user needs another right than for the rest.
        redis.call('SET', key, held, 'PX', ARGV[1])
    end
    current[number] = held
end
return current
