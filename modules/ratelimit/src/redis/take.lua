-- take: places in the sliding windows of some subjects, as in window.rs.
-- KEYS[n] the subject's   ARGV[3n-2] its limit   ARGV[3n-1] its window in ms   ARGV[3n] the places wanted
-- Answers the time in ms, then for each subject: places granted, places left, ms until the next one comes back (0: none is
-- taken). Places are counted in buckets of a thousandth of the window: number of the bucket -> places. Beside them stand
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

local function take(key, limit, window, wanted)
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
    total = total + granted
    if granted > 0 then
        redis.call('HINCRBY', key, bucket, granted)
        newest = bucket
    end
    if total == 0 then
        return 0, limit, 0
    end
    if granted > 0 or moved then
        redis.call('HSET', key, 'window', window, 'total', total, 'oldest', oldest, 'newest', newest)
        redis.call('PEXPIRE', key, (newest + 1) * width + window - clock)
    end
    return granted, math.max(limit - total, 0), (oldest + 1) * width + window - clock
end

local answer = { clock }
for index, key in ipairs(KEYS) do
    local at = 3 * index
    local granted, left, wait = take(key, tonumber(ARGV[at - 2]), tonumber(ARGV[at - 1]), tonumber(ARGV[at]))
    answer[at - 1], answer[at], answer[at + 1] = granted, left, wait
end
return answer
