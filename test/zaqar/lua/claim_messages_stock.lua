-- Claims up to a limit of messages in the order of the queue's index, with the two faults of stock Zaqar:
--  * only the messages up to the first claimable one are tested. All that follow are taken unseen, also
--    those that another claim holds or that are delayed: one message goes to two claimers;
--  * a message that would end before the claim says that it lives longer, but Redis still drops it at its old time.
-- claim_messages_safe.lua is the same without them.
--
-- KEYS: 1 sorted set of message ids. The messages are hashes under their bare ids.
-- ARGV: 1 now; 2 limit; 3 claim id; 4 end of the claim; 5 new time to live of a message that would end
--       before the claim; 6 new end of such a message. Times are Unix seconds.
-- Returns the claimed ids, in order.
local index = KEYS[1]
local now, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local claimId, claimEnd = ARGV[3], ARGV[4]
local prolongedTtl, prolongedEnd = ARGV[5], ARGV[6]
local pageSize = 100

local claimed, vanished = {}, {}

local function isClaimable(claim, claimedUntil, delayedUntil)
  local isFree = claim == '' or (tonumber(claimedUntil) or 0) <= now
  return isFree and (tonumber(delayedUntil) or 0) <= now
end

local function take(id, messageEnd)
  redis.call('HSET', id, 'c', claimId, 'c.e', claimEnd)
  if tonumber(messageEnd) < tonumber(claimEnd) then
    -- Fault: no EXPIRE.
    redis.call('HSET', id, 't', prolongedTtl, 'e', prolongedEnd)
  end
  claimed[#claimed + 1] = id
end

local offset = 0
repeat
  local page = redis.call('ZRANGE', index, offset, offset + pageSize - 1)
  for _, id in ipairs(page) do
    if #claimed == limit then break end
    local message = redis.call('HMGET', id, 'c', 'c.e', 'd', 'e')
    if not message[4] then
      vanished[#vanished + 1] = id
    -- Fault: once one message is claimed, no further one is tested.
    elseif #claimed > 0 or isClaimable(message[1], message[2], message[3]) then
      take(id, message[4])
    end
  end
  offset = offset + pageSize
until #claimed == limit or #page < pageSize

-- Only now: removing earlier would shift the pages.
for _, id in ipairs(vanished) do
  redis.call('ZREM', index, id)
end

return claimed
