-- SPDX-License-Identifier: Apache-2.0
-- leaderboard.lua -- one batch of one board K, all of it or nothing.
--
-- KEYS: {K}:pos  K  {K}:meta
-- ARGV: prefix "{K}:", bucket in ms, then in buckets: window, ahead, era; shards,
--       divisor (units of one whole point), newest bucket of the batch, then
--   n, n * (partition, position expected or "", position after)
--   n, n * (partition:era:shard, era, p, d, p * (field, state), d * field)
--   n, n * (bucket, member, units, rows)     net changes
-- Answer: {"OK", watermark bucket, highest era with states} after a batch,
--         {"MISMATCH", position...} in the order given, and nothing changed.
--
-- {K}:b:N and {K}:n:N hold bucket N's units and rows a member; {K}:sum and {K}:cnt
-- their totals over the window; K shows sum / divisor. Units pass as text, so that
-- they stay exact beyond a double. Nothing that can fail comes after the first write.
local call = redis.call
local pos, board, meta = KEYS[1], KEYS[2], KEYS[3]
local prefix = ARGV[1]
local bucket_ms, window, ahead = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local era_buckets, shards = tonumber(ARGV[5]), tonumber(ARGV[6])
local divisor, newest = tonumber(ARGV[7]), tonumber(ARGV[8])
local SKEW_MS, CHUNK = 2000, 2000
local sum_key, cnt_key = prefix .. 'sum', prefix .. 'cnt'

-- the position: compare, later set
local at = 10
local moves, seen, same = {}, { 'MISMATCH' }, true
for _ = 1, tonumber(ARGV[9]) do
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

-- totals of members that this call touches; written to the board once, at the end
local sums, rows = {}, {}
local function total(member, units, count)
  sums[member] = call('HINCRBY', sum_key, member, units)
  rows[member] = call('HINCRBY', cnt_key, member, count)
end
local function negative(text)
  if text == '0' then return text end -- HINCRBY knows no -0
  if string.sub(text, 1, 1) == '-' then return string.sub(text, 2) end
  return '-' .. text
end
local function sweep(bucket, entering)
  local counts = call('HGETALL', prefix .. 'n:' .. bucket)
  if #counts == 0 then return end
  local flat, units = call('HGETALL', prefix .. 'b:' .. bucket), {}
  for i = 1, #flat, 2 do units[flat[i]] = flat[i + 1] end
  for i = 1, #counts, 2 do
    local u, n = units[counts[i]] or '0', counts[i + 1]
    if entering then total(counts[i], u, n) else total(counts[i], negative(u), negative(n)) end
  end
end
local function forget(bucket)
  call('UNLINK', prefix .. 'b:' .. bucket, prefix .. 'n:' .. bucket)
end

-- the watermark: Redis' own time, or a bucket a little ahead of it; never back
local time = call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local target = math.max(math.floor(now_ms / bucket_ms),
                        math.min(newest, math.floor((now_ms + SKEW_MS) / bucket_ms)))
local was = call('HMGET', meta, 'watermark_ms', 'era_low', 'era_high')
local cur = was[1] and tonumber(was[1]) / bucket_ms
if not cur or target > cur then
  if cur then
    local through = target - cur >= window
    for b = cur - window + 1, math.min(cur, target - window) do
      if not through then sweep(b, false) end
      forget(b)
    end
    if through then call('UNLINK', board, sum_key, cnt_key) end
    for b = cur + 1, math.min(target, cur + ahead) do
      if b > target - window then sweep(b, true) else forget(b) end
    end
  end
  cur = target
  call('HSET', meta, 'watermark_ms', string.format('%.0f', cur * bucket_ms))
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
n = tonumber(ARGV[at])
at = at + 1
for _ = 1, n do
  local b, member, units, count = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  at = at + 4
  if b > cur - window then
    local unit_key, row_key = prefix .. 'b:' .. b, prefix .. 'n:' .. b
    if units ~= '0' then call('HINCRBY', unit_key, member, units) end
    if count ~= '0' and call('HINCRBY', row_key, member, count) == 0 then
      call('HDEL', unit_key, member)
      call('HDEL', row_key, member)
    end
    if b <= cur then total(member, units, count) end
  end
end

for member, count in pairs(rows) do
  if count == 0 then
    call('ZREM', board, member)
    call('HDEL', sum_key, member)
    call('HDEL', cnt_key, member)
  else
    call('ZADD', board, string.format('%.17g', sums[member] / divisor), member)
  end
end
if #moves > 0 then call('HSET', pos, unpack(moves)) end
return { 'OK', cur, highest }
