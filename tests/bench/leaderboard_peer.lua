-- SPDX-License-Identifier: Apache-2.0
-- leaderboard_peer.lua -- exact too, and simple: a key a row, each row its own commands. The bench
-- compares sluice-leaderboard with a Python worker that calls this one.
--
-- KEYS[1]=off hash KEYS[2]=zset KEYS[3]=meta hash ; prefix ARGV[1]
-- ARGV: prefix, partition, expected_prev, new_last, window(buckets), nowBucket, n, then n*(op,pk,bucket,member,amt,lsn)
local off=redis.call('HGET',KEYS[1],ARGV[2]); if not off then off='-1' end
if off~=ARGV[3] then return {'MISMATCH',off} end
local pre=ARGV[1]; local W=tonumber(ARGV[5]); local nowb=tonumber(ARGV[6])
local cur=tonumber(redis.call('HGET',KEYS[3],'w') or '0')
local z=KEYS[2]
local function add(b,m,a,c)
  local bk=pre..'b:'..b
  redis.call('HINCRBY',bk,m,a)
  local n=redis.call('HINCRBY',bk,'#'..m,c)
  if b<=cur then
    local s=redis.call('ZINCRBY',z,a,m)
    local t=redis.call('HINCRBY',pre..'cnt',m,c)
    if t==0 then redis.call('ZREM',z,m); redis.call('HDEL',pre..'cnt',m) end
  end
end
local function sweep(b,sign)
  local bk=pre..'b:'..b
  local h=redis.call('HGETALL',bk)
  for pass=1,2 do for i=1,#h,2 do
    local m=h[i]; local v=tonumber(h[i+1])*sign; local iscnt=string.sub(m,1,1)=='#'
    if v~=0 then
      if pass==1 and not iscnt then redis.call('ZINCRBY',z,string.format('%.0f',v),m)
      elseif pass==2 and iscnt then
        m=string.sub(m,2); local t=redis.call('HINCRBY',pre..'cnt',m,string.format('%.0f',v))
        if t==0 then redis.call('ZREM',z,m); redis.call('HDEL',pre..'cnt',m) end
      end
    end
  end end
  if sign<0 then redis.call('DEL',bk) end
end
if nowb>cur then
  if cur==0 then cur=nowb else
   for b=cur+1,nowb do sweep(b,1) end      -- pre-arrived future buckets enter
   for b=cur-W+1,nowb-W do sweep(b,-1) end -- expired buckets leave
   cur=nowb
  end
  redis.call('HSET',KEYS[3],'w',cur)
end
local late,stale=0,0
local n=tonumber(ARGV[7]); local k=8
for i=1,n do
  local op,pk,b,m,a,lsn=ARGV[k],ARGV[k+1],tonumber(ARGV[k+2]),ARGV[k+3],tonumber(ARGV[k+4]),tonumber(ARGV[k+5]); k=k+6
  local rk=pre..'r:'..pk
  local o=redis.call('HMGET',rk,'l','b','m','a','d')
  if o[1] and tonumber(o[1])>=lsn then stale=stale+1
  else
    if o[1] and o[5]=='0' and tonumber(o[2])>cur-W then add(tonumber(o[2]),o[3],-tonumber(o[4]),-1) end
    if op=='d' then redis.call('HSET',rk,'l',lsn,'b',b,'m',m,'a',0,'d','1')
    elseif b<=cur-W then late=late+1; redis.call('HSET',rk,'l',lsn,'b',b,'m',m,'a',a,'d','1')
    else add(b,m,a,1); redis.call('HSET',rk,'l',lsn,'b',b,'m',m,'a',a,'d','0') end
    redis.call('EXPIRE',rk,1500)
  end
end
redis.call('HSET',KEYS[1],ARGV[2],ARGV[4])
return {'OK',late,stale}
