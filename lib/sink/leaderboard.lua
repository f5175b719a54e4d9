-- SPDX-License-Identifier: Apache-2.0
-- leaderboard.lua -- one batch of one board K, all of it or nothing.
--
-- KEYS: {K}:pos  K  {K}:meta
-- ARGV: prefix "{K}:", bucket in ms, then in buckets: window, ahead, era; shards,
--       divisor (units of one whole point), newest bucket of the batch, top (0: all), then
--   n, n * (partition, position expected or "", position after)
--   n, n * (partition:era:shard, era, p, d, p * (field, state), d * field)
--   n, n * (bucket, m, m * member, m * units, m * rows)     net changes
-- Answer: {"OK", watermark bucket, highest era with states} after a batch,
--         {"MISMATCH", position...} in the order given, and nothing changed.
--
-- {K}:b:N holds a member's "UNITS ROWS" of bucket N, {K}:sum their totals over the
-- window; K shows units / divisor, and with a top only the best of {K}:all. Sums are
-- exact at any size. Nothing that can fail comes after the first write.
local call = redis.call
local pos, shown, meta = KEYS[1], KEYS[2], KEYS[3]
local prefix = ARGV[1]
local bucket_ms, window, ahead = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local era_buckets, shards = tonumber(ARGV[5]), tonumber(ARGV[6])
local divisor, newest, top = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local SKEW_MS, SET_BACK_MS, CHUNK = 2000, 60000, 2000
local EXACT, LOW = 1e14, 1e12 -- what Lua prints digit for digit; the lower 12 digits
local sum_key = prefix .. 'sum'
local abs, find, sub = math.abs, string.find, string.sub
local board = top > 0 and prefix .. 'all' or shown

local kind = call('TYPE', shown).ok
if kind ~= 'zset' and kind ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. shown .. ' is a ' .. kind .. ' of somebody else')
end

-- the position: compare, later set
local at = 11
local moves, seen, same = {}, { 'MISMATCH' }, true
for _ = 1, tonumber(ARGV[10]) do
  local have = call('HGET', pos, ARGV[at]) or ''
  seen[#seen + 1] = have
  same = same and have == ARGV[at + 1]
  if ARGV[at + 1] ~= ARGV[at + 2] then
    moves[#moves + 1] = ARGV[at]
    moves[#moves + 1] = ARGV[at + 2]
  end
  at = at + 3
end
if not same then return seen end

local function in_chunks(command, key, list)
  for i = 1, #list, CHUNK do
    call(command, key, unpack(list, i, math.min(i + CHUNK - 1, #list)))
  end
end

local time = call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local was = call('HMGET', meta, 'watermark_ms', 'era_low', 'era_high')

-- this server's clock was far ahead once, and nothing would count until that time: the
-- board is forgotten, so that the workers read it again
if was[1] and tonumber(was[1]) > now_ms + SKEW_MS + SET_BACK_MS then
  in_chunks('UNLINK', shown, call('KEYS', string.gsub(prefix, '[%[%]*?\\]', '\\%0') .. '*'))
  call('UNLINK', shown)
  for i = 2, #seen do seen[i] = '' end
  return seen
end

-- a + b, as a number where it is small, else as text of any length, and exact in both
local function digits(n)
  local text = type(n) == 'number' and string.format('%.0f', n) or n
  local sign = 1
  if sub(text, 1, 1) == '-' then sign, text = -1, sub(text, 2) end
  return sign * (tonumber(sub(text, 1, -13)) or 0), sign * tonumber(sub(text, -12))
end
local function plus(a, b)
  local x, y = tonumber(a), tonumber(b)
  local sum = x + y
  if abs(x) < EXACT and abs(y) < EXACT and abs(sum) < EXACT then return sum end
  local high, low = digits(a)
  local more_high, more_low = digits(b)
  high, low = high + more_high, low + more_low
  local sign = (high < 0 or high == 0 and low < 0) and -1 or 1
  high, low = sign * high + 0, sign * low + 0 -- no -0
  if low < 0 then high, low = high - 1, low + LOW end
  if low >= LOW then high, low = high + 1, low - LOW end
  if high * LOW < EXACT then return sign * (high * LOW + low) end
  return string.format('%s%.0f%012.0f', sign < 0 and '-' or '', high, low)
end
local function negative(n)
  if type(n) == 'number' then return 0 - n end
  return sub(n, 1, 1) == '-' and sub(n, 2) or '-' .. n
end

local function parse(text)
  local blank = find(text, ' ', 1, true)
  return sub(text, 1, blank - 1), tonumber(sub(text, blank + 1))
end

-- adds units and rows to fields "UNITS ROWS" of a hash; answers what stands there then
local function add(key, fields, units, rows)
  local left_units, left_rows, gone = {}, {}, {}
  for from = 1, #fields, CHUNK do
    local till = math.min(from + CHUNK - 1, #fields)
    local have, set = call('HMGET', key, unpack(fields, from, till)), {}
    for i = from, till do
      local old, u, r = have[i - from + 1], units[i], tonumber(rows[i])
      if old then
        local old_units, old_rows = parse(old)
        u, r = plus(old_units, u), r + old_rows
      end
      if r == 0 then
        gone[#gone + 1] = fields[i]
      else
        set[#set + 1] = fields[i]
        set[#set + 1] = u .. ' ' .. r
      end
      left_units[i], left_rows[i] = u, r
    end
    if #set > 0 then call('HSET', key, unpack(set)) end
  end
  in_chunks('HDEL', key, gone)
  return left_units, left_rows
end

-- the double next to units / divisor
local scale = #ARGV[7] - 1
local function score(units)
  local x = tonumber(units)
  if scale == 0 or abs(x) < 2 ^ 53 then return x / divisor end
  return tonumber(sub(units, 1, -scale - 1) .. '.' .. sub(units, -scale))
end

-- what changes in the totals; written once, at the end
local names, units_of, rows_of = {}, {}, {}
local function total(member, units, rows)
  if not rows_of[member] then
    names[#names + 1] = member
    units_of[member], rows_of[member] = 0, 0
  end
  units_of[member] = plus(units_of[member], units)
  rows_of[member] = rows_of[member] + rows
end
local function sweep(bucket, leaving)
  local flat = call('HGETALL', prefix .. 'b:' .. bucket)
  for i = 1, #flat, 2 do
    local units, rows = parse(flat[i + 1])
    if leaving then units, rows = negative(units), -rows end
    total(flat[i], units, rows)
  end
end

-- the watermark: Redis' own time, or a bucket a little ahead of it; never back
local target = math.max(math.floor(now_ms / bucket_ms),
                        math.min(newest, math.floor((now_ms + SKEW_MS) / bucket_ms)))
local cur = was[1] and tonumber(was[1]) / bucket_ms
if not cur or target > cur then
  if cur then
    local through = target - cur >= window
    for b = cur - window + 1, math.min(cur, target - window) do
      if not through then sweep(b, true) end
      call('UNLINK', prefix .. 'b:' .. b)
    end
    if through then call('UNLINK', board, sum_key) end
    for b = cur + 1, math.min(target, cur + ahead) do
      if b > target - window then sweep(b, false) else call('UNLINK', prefix .. 'b:' .. b) end
    end
  end
  cur = target
  call('HSET', meta, 'watermark_ms', cur * bucket_ms)
end

-- row states: two eras and what is ahead; the older ones go whole
local era = math.floor(cur / era_buckets)
local low, high = tonumber(was[2] or era - 1), tonumber(was[3] or era)
if not was[2] or low < era - 1 then
  local parts = call('HKEYS', pos)
  for e = low, math.min(era - 2, high) do
    for _, part in ipairs(parts) do
      for s = 0, shards - 1 do call('UNLINK', prefix .. 's:' .. part .. ':' .. e .. ':' .. s) end
    end
  end
  call('HSET', meta, 'era_low', era - 1)
end
local highest = high
local function each(command, key, from, count)
  local last = from + count - 1
  for i = from, last, CHUNK do
    call(command, key, unpack(ARGV, i, math.min(i + CHUNK - 1, last)))
  end
end
local n = tonumber(ARGV[at])
at = at + 1
for _ = 1, n do
  local key, e = prefix .. 's:' .. ARGV[at], tonumber(ARGV[at + 1])
  local puts, dels = tonumber(ARGV[at + 2]) * 2, tonumber(ARGV[at + 3])
  at = at + 4
  if e >= era - 1 then
    each('HSET', key, at, puts)
    each('HDEL', key, at + puts, dels)
    if puts > 0 and e > highest then highest = e end
  end
  at = at + puts + dels
end
if not was[3] or highest ~= high then call('HSET', meta, 'era_high', highest) end

-- net changes: what lies behind the window has left the board already
local function slice(from, count)
  local list = {}
  for i = 1, count do list[i] = ARGV[from + i - 1] end
  return list
end
n = tonumber(ARGV[at])
at = at + 1
for _ = 1, n do
  local b, count = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local members, units, rows =
    slice(at + 2, count), slice(at + 2 + count, count), slice(at + 2 + 2 * count, count)
  at = at + 2 + 3 * count
  if b > cur - window then
    add(prefix .. 'b:' .. b, members, units, rows)
    if b <= cur then
      for i = 1, count do total(members[i], units[i], tonumber(rows[i])) end
    end
  end
end

-- totals and the board
local units, rows, scores, gone = {}, {}, {}, {}
for i, member in ipairs(names) do units[i], rows[i] = units_of[member], rows_of[member] end
units, rows = add(sum_key, names, units, rows)
for i, left in ipairs(rows) do
  if left == 0 then
    gone[#gone + 1] = names[i]
  else
    scores[#scores + 1] = score(units[i])
    scores[#scores + 1] = names[i]
  end
end
in_chunks('ZREM', board, gone)
in_chunks('ZADD', board, scores)

if top == 0 then call('UNLINK', prefix .. 'all') end -- of a time when there was a top

-- a board that somebody deleted or wrote into is written anew
local whole = call('ZCARD', board) == call('HLEN', sum_key)
if not whole then
  local flat = call('HGETALL', sum_key)
  for i = 1, #flat, 2 do flat[i], flat[i + 1] = score((parse(flat[i + 1]))), flat[i] end
  call('UNLINK', shown, prefix .. 'all')
  in_chunks('ZADD', board, flat)
end
if top > 0 and (#names > 0 or not whole or call('ZCARD', shown) ~= math.min(top, call('ZCARD', board))) then
  call('ZRANGESTORE', shown, board, 0, top - 1, 'REV')
end
if #moves > 0 then call('HSET', pos, unpack(moves)) end
return { 'OK', cur, highest }
