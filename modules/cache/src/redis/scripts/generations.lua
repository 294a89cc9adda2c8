-- generations: those that count now, and the proposed ones where there are none.
-- KEYS the generations, all of one slot   ARGV one proposal for each
local current = {}
for number, key in ipairs(KEYS) do
    local held = redis.call('GET', key)
    if not held then
        held = ARGV[number]
        redis.call('SET', key, held)
    end
    current[number] = held
end
return current
