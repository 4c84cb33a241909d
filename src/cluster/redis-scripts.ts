/**
 * The directory's operations as scripts: each runs whole or not at all, by the clock of Redis alone.
 *
 * KEYS[1] is the pulse, a hash of `last`, when any node beat last, and `resumed`, when the first one did after none had for a
 * lease: until a lease after that, a node that is missing may yet come back. KEYS[2] is the hash of nodes by id, KEYS[3] the sorted
 * set of their ids and incarnations, with a space between, by the end of their leases, KEYS[4] the set of the ids of those that had room. ARGV[1] is the lease, ms.
 * A session's key holds the id and the incarnation of its node and, if it is offered to others, the token, with spaces between.
 */
const PRELUDE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[1])
local last = tonumber(redis.call('HGET', KEYS[1], 'last') or '0')
local resumed = tonumber(redis.call('HGET', KEYS[1], 'resumed') or '0')
local settled = now - last <= lease and now - resumed > lease
local function node(id)
  local text = redis.call('HGET', KEYS[2], id)
  return text and cjson.decode(text)
end
local function alive(id, incarnation)
  local found = node(id)
  if found and found.incarnation == incarnation and not found.fenced and found.expiresAtMs > now then return found end
end
local function fence(id, incarnation)
  local found = node(id)
  if not found or found.incarnation ~= incarnation then return end
  found.fenced = true
  redis.call('SREM', KEYS[4], id)
  redis.call('HSET', KEYS[2], id, cjson.encode(found))
end
local function owner(text)
  return string.match(text, '^(%S+) (%S+) ?(%S*)$')
end
`;

/**
 * KEYS from the fifth on, for each need that this node meets: a key that lapses with the last node that does, and the sorted set of the
 * ids of those that do and have room, by the end of their leases. ARGV: lease, node id, incarnation, url, room, ms after which a dead
 * node is forgotten, most nodes that are told, region or nothing, 1 with a GPU, then id and incarnation of each node that is watched. What it costs does not depend on how many nodes there are. Of
 * those with room some may be dead: who asks looks at the ends of their leases.
 */
export const BEAT = `${PRELUDE}
local id, incarnation = ARGV[2], ARGV[3]
local found = node(id)
local known = found and found.incarnation == incarnation
if found and not known and found.expiresAtMs > now then return {'taken'} end
if known and found.fenced then
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id .. ' ' .. incarnation)
  return {'fenced'}
end
if now - last > lease then redis.call('HSET', KEYS[1], 'resumed', now) end
redis.call('HSET', KEYS[1], 'last', now)
redis.call('HSET', KEYS[2], id, cjson.encode({
  nodeId = id, incarnation = incarnation, url = ARGV[4], room = tonumber(ARGV[5]), expiresAtMs = now + lease,
  region = ARGV[8] ~= '' and ARGV[8] or nil, gpu = ARGV[9] == '1'
}))
redis.call('ZADD', KEYS[3], now + lease, id .. ' ' .. incarnation)
redis.call(tonumber(ARGV[5]) > 0 and 'SADD' or 'SREM', KEYS[4], id)
for at = 5, #KEYS, 2 do
  redis.call('SET', KEYS[at], '', 'PX', lease)
  redis.call('ZREMRANGEBYSCORE', KEYS[at + 1], '-inf', now)
  if tonumber(ARGV[5]) > 0 then
    redis.call('ZADD', KEYS[at + 1], now + lease, id)
    redis.call('PEXPIRE', KEYS[at + 1], lease)
  else redis.call('ZREM', KEYS[at + 1], id) end
end
local kept = now - tonumber(ARGV[6])
for _, lapsed in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', kept, 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[3], lapsed)
  local dead = owner(lapsed)
  local one = node(dead)
  if one and one.expiresAtMs <= kept then
    redis.call('HDEL', KEYS[2], dead)
    redis.call('SREM', KEYS[4], dead)
  end
end
-- Leases that have lapsed since the last beat. A node that comes back has its place again with its own.
for _, lapsed in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. last, now)) do
  local silent = owner(lapsed)
  local one = node(silent)
  if one and one.expiresAtMs <= now then redis.call('SREM', KEYS[4], silent) end
end
local free = redis.call('SRANDMEMBER', KEYS[4], ARGV[7])
if #free > 0 then free = redis.call('HMGET', KEYS[2], unpack(free)) end
local missing = {}
local watched = {}
for at = 10, #ARGV, 2 do watched[#watched + 1] = ARGV[at] .. ' ' .. ARGV[at + 1] end
if #watched > 0 then
  for at, ends in ipairs(redis.call('ZMSCORE', KEYS[3], unpack(watched))) do
    if not ends or tonumber(ends) <= now then missing[#missing + 1] = ARGV[9 + 2 * at] end
  end
end
return {'held', now, known and 1 or 0, redis.call('ZCOUNT', KEYS[3], '(' .. now, '+inf'), missing, free}`;

/**
 * KEYS[5]: there is a node that has what is needed; KEYS[6]: those of them that have room, as {@link BEAT} keeps them. ARGV: lease, most
 * nodes that are told.
 */
export const DRAW = `${PRELUDE}
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now)
local free = redis.call('ZRANDMEMBER', KEYS[6], ARGV[2])
if #free > 0 then free = redis.call('HMGET', KEYS[2], unpack(free)) end
return {now, redis.call('EXISTS', KEYS[5]), free}`;

/** ARGV: lease. Looks at every node. */
export const NODES = `${PRELUDE}
local all = {}
for _, lease in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. now, '+inf')) do
  local id = owner(lease)
  local one = node(id)
  if one and not one.fenced then all[#all + 1] = cjson.encode(one) end
end
return all`;

/** KEYS from the fifth on: sessions. ARGV: lease, node id, incarnation, ms that sessions are kept, ids of the sessions. */
export const CLAIM = `${PRELUDE}
local id, incarnation = ARGV[2], ARGV[3]
local held = alive(id, incarnation)
local refused = {}
for at = 5, #KEYS do
  local text = redis.call('GET', KEYS[at])
  local mine = held
  if held and text then
    local otherId, otherIncarnation = owner(text)
    if otherId ~= id and alive(otherId, otherIncarnation) then mine = nil end
  end
  if mine then redis.call('SET', KEYS[at], id .. ' ' .. incarnation, 'PX', ARGV[4])
  else refused[#refused + 1] = ARGV[at] end
end
return refused`;

/** KEYS from the fifth on: sessions. ARGV: lease, node id, incarnation. */
export const RELEASE = `${PRELUDE}
for at = 5, #KEYS do
  local id, incarnation = owner(redis.call('GET', KEYS[at]) or '')
  if id == ARGV[2] and incarnation == ARGV[3] then redis.call('DEL', KEYS[at]) end
end
return 0`;

/** KEYS[5]: the session. ARGV: lease, node id, incarnation, ms that it is kept, token. */
export const OFFER = `${PRELUDE}
local id, incarnation = owner(redis.call('GET', KEYS[5]) or '')
if id ~= ARGV[2] or incarnation ~= ARGV[3] or not alive(id, incarnation) then return 0 end
redis.call('SET', KEYS[5], id .. ' ' .. incarnation .. ' ' .. ARGV[5], 'PX', ARGV[4])
return 1`;

/** KEYS[5]: the session. ARGV: lease, node id, incarnation, ms that it is kept, token. */
export const TAKE = `${PRELUDE}
local id, incarnation, token = owner(redis.call('GET', KEYS[5]) or '')
if id == ARGV[2] and incarnation == ARGV[3] and alive(id, incarnation) then return 1 end
if not id or token == '' or token ~= ARGV[5] or not alive(id, incarnation) or not alive(ARGV[2], ARGV[3]) then return 0 end
redis.call('SET', KEYS[5], ARGV[2] .. ' ' .. ARGV[3], 'PX', ARGV[4])
return 1`;

/** KEYS[5]: the session. ARGV: lease, node id, incarnation, ms that it is kept. */
export const WITHDRAW = `${PRELUDE}
local text = redis.call('GET', KEYS[5])
local id, incarnation = owner(text or '')
if text and (id ~= ARGV[2] or incarnation ~= ARGV[3]) then return 'taken' end
if text then redis.call('SET', KEYS[5], id .. ' ' .. incarnation, 'PX', ARGV[4]) end
return alive(ARGV[2], ARGV[3]) and 'kept' or 'lost'`;

/** KEYS[5]: the session. ARGV: lease. */
export const FIND = `${PRELUDE}
local text = redis.call('GET', KEYS[5])
if not text then return {settled and 'unknown' or 'unsettled'} end
local id, incarnation = owner(text)
local found = alive(id, incarnation)
if found then return {'owned', cjson.encode(found)} end
if not settled then return {'unsettled'} end
fence(id, incarnation)
return {'lost'}`;

/** ARGV: lease, node id, incarnation. */
export const FENCE = `${PRELUDE}
if alive(ARGV[2], ARGV[3]) then return 'alive' end
if not settled then return 'unsettled' end
fence(ARGV[2], ARGV[3])
return 'lost'`;

/** ARGV: lease, node id, incarnation. */
export const LEAVE = `${PRELUDE}
local found = node(ARGV[2])
if found and found.incarnation == ARGV[3] then
  redis.call('HDEL', KEYS[2], ARGV[2])
  redis.call('ZREM', KEYS[3], ARGV[2] .. ' ' .. ARGV[3])
  redis.call('SREM', KEYS[4], ARGV[2])
end
return 0`;

/**
 * KEYS[1]: when a token bucket would be full, µs (the generic cell rate algorithm). ARGV: µs that a token takes to come, and that all
 * of them do. The key lapses when the bucket is full.
 */
export const TAKE_TOKEN = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0')) + ARGV[1]
local wait = full - now - ARGV[2]
if wait >= 1 then return math.ceil(wait / 1000) end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.max(1, math.ceil((full - now) / 1000)))
return 0`;

/**
 * KEYS[5]: hash of how many of something each node has, by id and incarnation. ARGV: lease, node id, incarnation, how many this node
 * has, most of all together or -1, ms that they are kept.
 */
export const SET_COUNT = `${PRELUDE}
local mine = ARGV[2] .. ' ' .. ARGV[3]
local own, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local sum = own
local said = redis.call('HGETALL', KEYS[5])
for at = 1, #said, 2 do
  if said[at] ~= mine then
    local id, incarnation = owner(said[at])
    local one = node(id)
    if not one or one.incarnation ~= incarnation or one.fenced then redis.call('HDEL', KEYS[5], said[at])
    elseif one.expiresAtMs > now then sum = sum + tonumber(said[at + 1]) end
  end
end
if most >= 0 and sum > most then return 0 end
if own > 0 then redis.call('HSET', KEYS[5], mine, own) else redis.call('HDEL', KEYS[5], mine) end
redis.call('PEXPIRE', KEYS[5], ARGV[6])
return 1`;

/** KEYS[1]: the idempotency key. ARGV: token, ms. What is kept is the token, and once it is done a space and JSON. */
export const RESERVE = `
local text = redis.call('GET', KEYS[1])
if text then return text end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false`;

/** KEYS[1]: the idempotency key. ARGV: token, ms, JSON. */
export const SETTLE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[3], 'PX', ARGV[2]) end
return 0`;

/** KEYS[1]: the idempotency key. ARGV: token. */
export const ABANDON = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0`;
