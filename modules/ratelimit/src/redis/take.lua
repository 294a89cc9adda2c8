-- take: permits in the sliding windows of some subjects, counted as in window.rs.
-- KEYS: one for each subject. ARGV: six for each: its limit, its window in ms, the permits wanted, those to prefetch
-- (no more than a sixteenth of what is left), those prefetched before and not used, and their bucket.
-- Answers five numbers for each: permits granted (the prefetched ones behind the wanted ones), permits left, ms until
-- the oldest is free again (0: none is taken), the bucket of those granted, ms until it is over.
-- A subject is a hash: the end of a bucket in ms -> the permits granted in it.
local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}

for index, key in ipairs(KEYS) do
    local limit, window, wanted, prefetch, unused, unused_bucket = unpack(ARGV, 6 * index - 5, 6 * index)
    local width = math.ceil(window / 100)
    local bucket = (math.floor(clock / width) + 1) * width
    local held = redis.pcall('HGETALL', key)
    if held.err then
        -- Of another type it is not ours, and makes room.
        redis.call('DEL', key)
    end
    local total, oldest = 0, bucket
    for place = 1, #held, 2 do
        local ends, count = tonumber(held[place]) or 0, tonumber(held[place + 1]) or 0
        if held[place] == unused_bucket and unused ~= '0' and count >= tonumber(unused) then
            redis.call('HINCRBY', key, unused_bucket, -unused)
            count = count - unused
        end
        if ends > bucket then
            -- The clock was set back: this counts as of now.
            redis.call('HINCRBY', key, bucket, count)
            redis.call('HDEL', key, held[place])
            ends = bucket
        end
        if ends + window <= clock or count == 0 then
            redis.call('HDEL', key, held[place])
        else
            total = total + count
            oldest = math.min(oldest, ends)
        end
    end
    local free = limit - total
    local granted = math.max(math.min(wanted, free), 0)
    granted = granted + math.max(math.min(prefetch, math.floor((free - granted) / 16)), 0)
    if granted > 0 then
        redis.call('HINCRBY', key, bucket, granted)
        redis.call('PEXPIRE', key, bucket + window - clock)
    end
    local next_free = total + granted > 0 and oldest + window - clock or 0
    for _, number in ipairs({ granted, math.max(free - granted, 0), next_free, bucket, bucket - clock }) do
        answers[#answers + 1] = number
    end
end
return answers
