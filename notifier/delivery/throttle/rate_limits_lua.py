"""The Lua scripts by which `rate_limits` reserves moments and places; Redis runs each as one atomic step.

KEYS: a marker, then one sorted set of moments per rate, then one sorted set of emails per domain. ARGV: JSON; see
`asking.Question`. All times are microseconds.

Answers one number per email. From 0 up: granted, to go so much later than `back` ago. Below 0: nothing is reserved, and
there may be room so much later than now.
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

-- A Redis that lost its memory no longer knows which moments it gave away: none is given until all those are past.
local first = redis.call('GET', KEYS[1])
if not first then
  first = furthest
  redis.call('SET', KEYS[1], whole(first))
end
first = tonumber(first)
-- A clock that was set back must not stop sending.
if first > furthest then
  first = furthest
  redis.call('SET', KEYS[1], whole(first))
end

local rates = {}
for number, length in ipairs(asked.slots) do
  local rate = {key = KEYS[1 + number], length = length, taken = {}, skip = {}, new = {}}
  local slot = math.floor((now - asked.known) / length)
  redis.call('ZREMRANGEBYSCORE', rate.key, '-inf', '(' .. whole(slot * length))
  local moments = redis.call('ZRANGE', rate.key, 0, -1)
  for _, moment in ipairs(moments) do
    rate.taken[math.floor(moment / length)] = true
  end
  -- Nothing is saved up while a limit rests: only moments that stayed free since it was in use are made up for.
  rate.first = math.min(now, math.max(now - asked.back, tonumber(moments[1] or now)))
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
  local moment, agreed = math.max(first, #numbers > 0 and now - asked.back or now), false
  for _, number in ipairs(numbers) do
    moment = math.max(moment, rates[number].first)
  end
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
for index, email in ipairs(asked.emails) do
  local pk, numbers, domain = whole(email[1]), email[2], domains[email[3]]
  -- An email that holds a place already (its worker died, or never got our answer) needs no second one.
  local holds = domain and domain.holds[pk]
  if domain and not holds and domain.used >= domain.places then
    domain.refused = domain.refused + 1
    answers[index] = -1000000 * math.min(60, math.ceil(domain.refused / domain.places))
  else
    local moment = free_moment(numbers)
    local granted = moment <= last
    for _, number in ipairs(numbers) do
      local rate = rates[number]
      -- Also if it is too late, so that the next email of this batch gets a later moment.
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
    answers[index] = granted and moment - now + asked.back or now - moment
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

#: Decides whether emails whose moment has come may begin now: late emails must neither crowd a second nor all come at
#: once.
#: KEYS: for each rate a sorted set of emails that began lately, and the moment from which more may begin.
#: ARGV: 1 for urgent emails, which do not wait for that moment, else 0; for each rate how many may begin in which time,
#: how long each of them keeps the next one waiting (both in microseconds), and how many want to begin; then their keys.
#: Answers 0 if they have begun, or the microseconds until there may be room.
BEGIN = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function whole(number)
  return string.format('%.0f', number)
end

local rates, wait = {}, 0
for number = 1, #KEYS / 2 do
  local rate = {set = KEYS[2 * number - 1], next = KEYS[2 * number]}
  for index, name in ipairs({'most', 'window', 'pause', 'wanted'}) do
    rate[name] = tonumber(ARGV[4 * (number - 1) + index + 1])
  end
  rates[number] = rate
  rate.kept = math.max(rate.window, 1000000)
  redis.call('ZREMRANGEBYSCORE', rate.set, '-inf', whole(now - rate.kept))
  local since = '(' .. whole(now - rate.window)
  local count = redis.call('ZCOUNT', rate.set, since, '+inf')
  local over = math.min(count, count + rate.wanted - rate.most)
  if over > 0 then
    local last = redis.call('ZRANGEBYSCORE', rate.set, since, '+inf', 'WITHSCORES', 'LIMIT', over - 1, 1)
    wait = math.max(wait, tonumber(last[2]) + rate.window - now + 1)
  end
  rate.from = math.max(now, tonumber(redis.call('GET', rate.next) or 0))
  if ARGV[1] == '0' then
    wait = math.max(wait, rate.from - now)
  end
end
if wait > 0 then
  return wait
end
local first = 4 * #rates + 2
for _, rate in ipairs(rates) do
  for index = first, first + rate.wanted - 1 do
    redis.call('ZADD', rate.set, whole(now), ARGV[index] .. ':' .. whole(now))
  end
  first = first + rate.wanted
  local next_ = rate.from + rate.wanted * rate.pause
  redis.call('PEXPIRE', rate.set, math.ceil(rate.kept / 1000))
  redis.call('SET', rate.next, whole(next_), 'PX', math.ceil((next_ - now) / 1000) + 1)
end
return 0
"""
