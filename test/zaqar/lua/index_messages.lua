-- Appends the ids of new messages to their queue's index, in order. Zaqar's Redis driver reads the score
-- order of that index as first in, first out, so the counter never goes backwards.
--
-- KEYS: 1 sorted set of message ids; 2 counter, the next free score (absent means 1)
-- ARGV: 1 how many ids follow; 2... the ids
local index, counter = KEYS[1], KEYS[2]
local count = tonumber(ARGV[1])
local nextScore = tonumber(redis.call('GET', counter) or 1)

for position = 0, count - 1 do
  redis.call('ZADD', index, nextScore + position, ARGV[2 + position])
end
redis.call('SET', counter, nextScore + count)
