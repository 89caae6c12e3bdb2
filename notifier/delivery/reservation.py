"""The scripts by which `limits` reserves moments and places, run inside Redis in one piece.

KEYS: a marker, then one sorted set of moments for each rate, then one of mails for each domain.
ARGV: JSON; see `limits._Question`. All times are microseconds.
Answers one number for each mail: from 0 up, it is granted and goes so much later than now; below 0, nothing is
reserved for it, and so much later there may be room.
"""

RESERVE = """
local asked = cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local last = now + asked.within
local furthest = now + asked.horizon

local function whole(number)
  return string.format('%.0f', number)
end

-- Who lost its memory does not know which moments it gave away: none is given again before all those are past.
local first = redis.call('GET', KEYS[1])
if not first then
  first = furthest
  redis.call('SET', KEYS[1], whole(first))
end
first = math.max(now, tonumber(first))
-- A clock that was set back must not stop the mail.
if first > furthest then
  first = furthest
  redis.call('SET', KEYS[1], whole(first))
end

local rates = {}
for number, length in ipairs(asked.slots) do
  local rate = {key = KEYS[1 + number], length = length, taken = {}, skip = {}, new = {}}
  local slot = math.floor(now / length)
  redis.call('ZREMRANGEBYSCORE', rate.key, '-inf', '(' .. whole(slot * length))
  for _, moment in ipairs(redis.call('ZRANGE', rate.key, 0, -1)) do
    rate.taken[math.floor(moment / length)] = true
  end
  rates[number] = rate
end

local domains = {}
for number, places in ipairs(asked.places) do
  local key = KEYS[1 + #asked.slots + number]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now))
  local members = redis.call('ZRANGE', key, 0, -1)
  local domain = {key = key, places = places, used = #members, refused = 0, holds = {}, new = {}}
  for _, member in ipairs(members) do
    domain.holds[member] = true
  end
  domains[number] = domain
end

local function free_slot(rate, slot)
  local free = slot
  while rate.taken[free] do
    free = rate.skip[free] or free + 1
  end
  if free > slot then
    rate.skip[slot] = free
  end
  return free
end

local function free_moment(numbers)
  local moment, agreed = first, false
  while not agreed do
    agreed = true
    for _, number in ipairs(numbers) do
      local rate = rates[number]
      local slot = math.floor(moment / rate.length)
      local free = free_slot(rate, slot)
      if free > slot then
        moment, agreed = free * rate.length, false
      end
    end
  end
  return moment
end

local function add(set, score, member)
  set.new[#set.new + 1] = whole(score)
  set.new[#set.new + 1] = member
end

local function store(set, life)
  if #set.new > 0 then
    redis.call('ZADD', set.key, unpack(set.new))
    redis.call('PEXPIRE', set.key, whole(life / 1000 + 1000))
  end
end

local answers = {}
for index, mail in ipairs(asked.mails) do
  local pk, numbers, domain = whole(mail[1]), mail[2], domains[mail[3]]
  -- A mail that holds a place already (its worker died, or never heard our answer) needs no second one.
  local holds = domain and domain.holds[pk]
  if domain and not holds and domain.used >= domain.places then
    domain.refused = domain.refused + 1
    answers[index] = -1000000 * math.min(60, math.ceil(domain.refused / domain.places))
  else
    local moment = free_moment(numbers)
    local granted = moment <= last
    for _, number in ipairs(numbers) do
      local rate = rates[number]
      -- Also where it is too late: the next mail of this batch is told a later moment.
      rate.taken[math.floor(moment / rate.length)] = true
      if granted then
        add(rate, moment, whole(moment))
      end
    end
    if granted and domain then
      domain.used = domain.used + (holds and 0 or 1)
      domain.holds[pk] = true
      add(domain, moment + asked.lease, pk)
    end
    answers[index] = granted and moment - now or now - moment
  end
end

for _, rate in ipairs(rates) do
  store(rate, asked.horizon + rate.length)
end
for _, domain in ipairs(domains) do
  store(domain, asked.horizon + asked.lease)
end
return answers
"""

#: Whether emails whose moment has come may begin now: what was late must not crowd a second.
#: KEYS: one sorted set for each rate, of what began lately.
#: ARGV: for each of them how many may begin in which time (microseconds) and how many want to; then their keys.
#: Answers 0: they have begun; or the microseconds until there may be room.
BEGIN = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function whole(number)
  return string.format('%.0f', number)
end

local wait = 0
for number, key in ipairs(KEYS) do
  local most, window = tonumber(ARGV[3 * number - 2]), tonumber(ARGV[3 * number - 1])
  local wanted = tonumber(ARGV[3 * number])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now - window))
  local count = redis.call('ZCARD', key)
  local over = math.min(count, count + wanted - most)
  if over > 0 then
    local last = redis.call('ZRANGE', key, over - 1, over - 1, 'WITHSCORES')
    wait = math.max(wait, tonumber(last[2]) + window - now + 1)
  end
end
if wait > 0 then
  return wait
end
local first = 3 * #KEYS + 1
for number, key in ipairs(KEYS) do
  local window, wanted = tonumber(ARGV[3 * number - 1]), tonumber(ARGV[3 * number])
  for index = first, first + wanted - 1 do
    redis.call('ZADD', key, whole(now), ARGV[index] .. ':' .. whole(now))
  end
  first = first + wanted
  redis.call('PEXPIRE', key, math.ceil(window / 1000))
end
return 0
"""
