-- SPDX-License-Identifier: Apache-2.0
-- Expressions over sluice_oracle.t, one a line, asked of Postgres and lib/sql for each row.
concat('a', b)
'a' || b
(0.1+0.2)::float8::numeric
2.0/3
1000000.0/3
length('a  '::char(3))
length(c)
c = 'a'
round(2.5)
round(2.5::float8)
i4 / 2
i4 / -1
i8 / -1
i2 / '-1'::int2
i4 % -1
mod(i8, -1::int8)
'abcdef'::varchar(3)
t::varchar(3)
n::numeric(18,3)
n3 / NULLIF(i4, 0)
(n3 / 10.0)::numeric(18,2)
(i4 / 1000.0)::numeric(18,3)
n * n
n / 3
round(n, 2)
n::int4
n::int8
f8::int4
f8::int8
f8::numeric
f4::numeric
f4::float8
f8::float4
f8 = 'NaN'
n > 'NaN'
greatest(n, 1, 2.5)
least(i4, i8, 3)
CASE b WHEN true THEN 1 WHEN false THEN 0.2 END
COALESCE(v, 'x')
COALESCE(i2, 1)
COALESCE(pr, 0)
NULLIF(i4, 1.0)
nullif(t, 'a')
d + 1
d - interval '1 month'
tz + interval '1 day'
ts - interval '1 mon'
date_trunc('week', ts)
date_trunc('quarter', tz)
extract(week from d)
extract(epoch from tz)
extract(second from ts)
date_part('epoch', ts)
tz::text
d::text
ts::text || 'x'
tz::date
ts::time
jb -> 'b' -> 'c' -> 0
jb ->> 'a'
j ->> 'a'
j -> 'b'
jb #>> '{b,c,2}'
jb ? 'a'
j::jsonb
jb::text
jb = '{"a": 1}'
uu::text
by::text
lower(u)
upper(t)
t ILIKE 'ä%'
t LIKE '%\%%'
t LIKE 'a!%%' ESCAPE '!'
substring(t from 2 for 2)
substring(t from -1 for 3)
trim(both ' x' from t)
split_part(t, ',', -1)
position('b' in t)
replace(t, 'l', '')
left(t, -2)
right(t, -2)
strpos(t, '')
concat_ws(',', t, i4, NULL, b)
e = 'sad'
e::text
ip::text
i4 IN (1, 2, NULL)
i8 IN (1, 2.5)
i4 NOT IN (1, 2)
i4 BETWEEN SYMMETRIC 10 AND 1
(i4 > 0) IS NOT TRUE
i4 IS DISTINCT FROM i2
to_timestamp(i4)
sign(n)
ceil(i4)
abs(i4)
-i4
-i2
i2 + i2
i2 * 1
i4 + i8
f4 * f4
f8 * f8
f4 + f8
i4::text::int2
t::int4
t::numeric
t::bool
CASE WHEN t LIKE '____-%' THEN t::date END
c || 'x'
c::text || 'x'
c || c
t || c
t COLLATE "C" < 'b'
sm + 1
ar
NULLIF(CASE WHEN b THEN pr ELSE pr END, (-2.75))
COALESCE(pr, pr)
upper(NULLIF(COALESCE(v, t), (jb->>1)))
(c)::uuid
(c)::bytea
(- ((f8)::int2 / CASE ('a'::text || '0001-01-01 00:00:00'::timestamp) WHEN 'b' THEN i2 END))
extract(julian from tz)
date_part('julian', ts)
(CASE WHEN b THEN 'epoch' ELSE '5874898-01-01' END)::date
(CASE WHEN n > 1 THEN '5874897-12-31' ELSE '2024-13-01' END)::date - i2
((jb->>'a')::int4 IN (NULL::int4, NULL::int4))
((jb->>'a')::int4 NOT IN (NULL::int4, NULL::int4))
i4 IN (1, 2.5, i8, NULL)
NULLIF('12', 10.0)
NULLIF(CASE (1000) WHEN (1) THEN 'x' WHEN NULL::int4 THEN c END, 'ok'::text)
NULLIF(e, 'sad')
COALESCE(e, 'ok')
CASE WHEN b THEN e END
CASE ('1'::int2)::text WHEN 'a'::text THEN ('a' COLLATE "C") WHEN c THEN (v)::name END
((i8 / -991111924) * (mod(0.1, n) * (NULL::float4)::float8))
(NULLIF('1999-01-03'::date, '1999-01-03'::date) - (d + i2))
((i4 + (CASE WHEN b THEN '10000-01-01' END)::date) + (('-infinity'::timestamptz)::timestamp)::time)
(((tz)::timestamptz(2) - tz) + (CASE WHEN i4 > 0 THEN ' 2024-01-01 ' ELSE '4714-11-23 BC' END)::date)
tm + d
(CASE WHEN b THEN '"\u0000"' ELSE '1.10' END)::json -> -1
(CASE WHEN i4 > 0 THEN '[[[]]]' ELSE '["\ud800", 1]' END)::json -> 1
date_trunc('month', (CASE WHEN n > 1 THEN '2024-02-29' ELSE '4714-11-24 BC' END)::date)
(1 IS DISTINCT FROM NULL)
((NULL::jsonb ->> 'c') COLLATE "C" < concat_ws(t, NULLIF(1, i8::int4)))
i4 BETWEEN SYMMETRIC 5 AND GREATEST(i2, 3)
i4 NOT BETWEEN SYMMETRIC 5 AND GREATEST(i2, (CASE WHEN b THEN '99999999999999999999' ELSE '-32768' END)::int4)
i4 NOT BETWEEN SYMMETRIC NULLIF(i2, 1) AND CASE i2 WHEN 0 THEN 7 WHEN 1 THEN -7 ELSE 100 END
