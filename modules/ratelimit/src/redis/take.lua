-- take: places in the sliding windows of some subjects, as in window.rs.
-- KEYS one for each subject   ARGV six for each: its limit, its window in ms, the places wanted, those to be taken ahead
-- (no more than a sixteenth of what is left), those that were taken ahead before and not needed, and their bucket
-- Answers the time in ms, then for each subject: places granted, places left, ms until the next one comes back (0: none is
-- taken), places taken ahead, and their bucket and the ms until it is over. Places are counted in buckets of a thousandth of the window: number of the bucket -> places. Beside them stand
-- the window, the total, and the numbers of the oldest and of the newest bucket with any.
local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)

-- Forgets the buckets before `first`: the new total and the new oldest bucket, the same if nothing was forgotten.
local function forget(key, total, oldest, newest, first)
    local gone = {}
    local number = oldest
    while number <= newest do
        local numbers = {}
        for next = number, math.min(number + 99, newest) do
            numbers[#numbers + 1] = next
        end
        for index, count in ipairs(redis.call('HMGET', key, unpack(numbers))) do
            if count and numbers[index] >= first then
                if #gone > 0 then
                    redis.call('HDEL', key, unpack(gone))
                end
                return total, numbers[index]
            elseif count then
                total = total - count
                gone[#gone + 1] = numbers[index]
            end
        end
        number = number + #numbers
    end
    redis.call('DEL', key)
    return 0, newest
end

local function take(key, limit, window, wanted, ahead, back, back_bucket)
    local width = math.ceil(window / 1000)
    local bucket = math.floor(clock / width)
    local held = redis.pcall('HMGET', key, 'window', 'total', 'oldest', 'newest')
    if held.err then
        -- Of another type it is not ours, and makes room.
        redis.call('DEL', key)
        held = {}
    end
    local total, oldest, newest = tonumber(held[2] or 0) or 0, tonumber(held[3] or 0) or 0, tonumber(held[4] or 0) or 0
    local moved = false
    if total == 0 then
        oldest, newest = bucket, bucket
    elseif tonumber(held[1]) ~= window or newest - bucket > 1000 then
        -- Counted under another window, or before the clock was set back: all of it counts as of now.
        redis.call('DEL', key)
        redis.call('HSET', key, bucket, total)
        oldest, newest, moved = bucket, bucket, true
    elseif newest > bucket then
        -- The clock was set back a little: time stands still here until it has caught up.
        bucket = newest
        ahead = 0
    elseif back > 0 and tonumber(redis.call('HGET', key, back_bucket) or 0) >= back then
        -- A bucket that is out of the window is not there any more, and one may be left with nothing in it.
        redis.call('HINCRBY', key, back_bucket, -back)
        total = total - back
        moved = true
    end
    local first = math.floor((math.max(clock, bucket * width) - window) / width)
    if oldest < first then
        total, oldest = forget(key, total, oldest, newest, first)
        if total == 0 then
            oldest = bucket
        end
        moved = true
    end
    local granted = math.max(math.min(wanted, limit - total), 0)
    ahead = math.max(math.min(ahead, math.floor((limit - total - granted) / 16)), 0)
    if granted + ahead > 0 then
        redis.call('HINCRBY', key, bucket, granted + ahead)
        newest = bucket
    end
    total = total + granted + ahead
    local bucket_ends = (bucket + 1) * width - clock
    if total == 0 then
        redis.call('DEL', key)
        return 0, limit, 0, 0, bucket, bucket_ends
    end
    if granted + ahead > 0 or moved then
        redis.call('HSET', key, 'window', window, 'total', total, 'oldest', oldest, 'newest', newest)
        redis.call('PEXPIRE', key, (newest + 1) * width + window - clock)
    end
    return granted, math.max(limit - total, 0), (oldest + 1) * width + window - clock, ahead, bucket, bucket_ends
end

local answer = { clock }
for index, key in ipairs(KEYS) do
    local numbers = {}
    for offset = 1, 6 do
        numbers[offset] = tonumber(ARGV[6 * (index - 1) + offset])
    end
    for _, number in ipairs({ take(key, unpack(numbers)) }) do
        answer[#answer + 1] = number
    end
end
return answer
