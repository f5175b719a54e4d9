# SPDX-License-Identifier: Apache-2.0
"""Random expressions of the SQL subset, and the table and rows they are drawn over."""
import random

SETUP = """
DROP SCHEMA IF EXISTS sluice_oracle CASCADE;
CREATE SCHEMA sluice_oracle;
SET search_path = sluice_oracle;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN price AS numeric(10,2);
CREATE DOMAIN small AS int2;
CREATE TABLE t (
    id int PRIMARY KEY, b bool, i2 int2, i4 int4, i8 int8, n numeric, n3 numeric(12,3),
    f4 float4, f8 float8, t text COLLATE "C", u text, v varchar(8), c char(5), uu uuid,
    d date, tm time, ts timestamp, tz timestamptz, j json, jb jsonb, by bytea, e mood,
    pr price, sm small, ar text[], ip inet);
"""

# column: candidate values as literals, NULL is added
EDGES = {
    "b": ["true", "false"],
    "i2": ["0", "1", "-1", "7", "32767", "-32768", "100"],
    "i4": ["0", "1", "-1", "2", "10", "3", "2147483647", "-2147483648", "1000000"],
    "i8": ["0", "1", "-1", "5", "9223372036854775807", "-9223372036854775808", "4294967296"],
    "n": ["0", "-0.0", "1", "-1", "0.1", "2.50", "1e-20", "12345678901234567890.123456789",
          "99999999999999999999999999999999999999999", "-0.0000001", "NaN", "Infinity", "-Infinity", "3.14159", "1000000.0"],
    "n3": ["0", "1.005", "-1.995", "999999999.999", "0.001", "NaN"],
    "f4": ["0", "-0", "1.5", "0.1", "-2.5", "3.4e38", "1e-40", "NaN", "Infinity", "-Infinity", "16777217"],
    "f8": ["0", "-0", "2.5", "0.1", "-3.5", "1e308", "5e-324", "NaN", "Infinity", "-Infinity", "1e15", "123456789.123", "1e22"],
    "t": ["", "a", "abc", "Hello World", "ÄÖü€", "日本語テキスト", "a%b_c", "12", " 42 ", "x,y,,z", "true", "2024-02-29", "  pad  ", "back\\slash"],
    "u": ["", "b", "Straße", "ÀÉÎ", "UPPER lower", "3.50", "null"],
    "v": ["", "abc", "abcdefgh", "éé  ", "9"],
    "c": ["", "a", "ab cd", "ü"],
    "uu": ["00000000-0000-0000-0000-000000000000", "6f3c5a52-3b5e-4c4e-9d47-111111111111", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "d": ["2024-02-29", "1970-01-01", "0001-01-01", "9999-12-31", "2000-12-31", "1999-01-03", "infinity", "-infinity", "0044-03-15 BC"],
    "tm": ["00:00:00", "23:59:59.999999", "12:34:56.5", "24:00:00"],
    "ts": ["2024-02-29 12:34:56.789", "1970-01-01 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.5", "2021-01-03 10:00:00", "infinity", "-infinity", "0044-03-15 01:02:03 BC"],
    "tz": ["2024-03-31 01:30:00.123456+00", "1970-01-01 00:00:00+00", "2000-01-01 00:00:00+02", "1955-11-05 06:15:00.1+00", "infinity", "-infinity", "2026-11-21 11:31:49.098096+00"],
    "j": ['{"a": 1, "b": {"c": [1, 2, "x"]}, "a": 2}', '[1, "two", null, {"k": "v"}]', '"str\\u00e9\\n"', "1.50", "null", '{"a":"\\u0041\\"q"}', "{}"],
    "jb": ['{"a": 1, "b": {"c": [1, 2, "x"]}, "n": null}', '[1, "two", null, {"k": "v"}, -5.50]', '"str"', "1.50", "null", '{"a": "\\"q\\u20ac", "é": true}', "{}", "[]", "true"],
    "by": ["\\x", "\\x00ff", "\\x616263"],
    "e": ["sad", "ok", "happy"],
    "pr": ["0.00", "19.99", "-5.50", "99999999.99"],
    "sm": ["0", "5", "-32768"],
    "ar": ["{}", '{a,"b c",NULL}'],
    "ip": ["10.0.0.1", "10.0.0.0/8", "::1"],
}
COLUMNS = {
    "bool": ["b"], "int2": ["i2", "sm"], "int4": ["i4", "id"], "int8": ["i8"],
    "numeric": ["n", "n3", "pr"], "float4": ["f4"], "float8": ["f8"], "text": ["t", "u", "v", "c"],
    "uuid": ["uu"], "date": ["d"], "time": ["tm"], "timestamp": ["ts"], "timestamptz": ["tz"],
    "json": ["j"], "jsonb": ["jb"], "bytea": ["by"],
}
NUMBERS = ["int2", "int4", "int8", "numeric", "float4", "float8"]
TIMES = ["date", "timestamp", "timestamptz"]
KEYS = ["a", "b", "c", "k", "n", "é", "zz"]
UNITS = ["microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month", "quarter",
         "year", "decade", "century", "millennium"]
FIELDS = UNITS + ["dow", "isodow", "doy", "isoyear", "epoch"]


def rows(rnd, count):
    """count rows as lists of literals or None, edges mixed at random."""
    out = []
    for i in range(count):
        out.append([str(i + 1)] + [None if rnd.random() < 0.08 else rnd.choice(v) for v in EDGES.values()])
    return out


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Gen:
    def __init__(self, rnd):
        self.r = rnd

    def pick(self, *options):
        return self.r.choice(options)

    def expr(self, kind, depth):
        if depth <= 0 or self.r.random() < 0.15:
            return self.leaf(kind)
        if self.r.random() < 0.25:
            return self.common(kind, depth - 1)
        return getattr(self, "x_" + kind, self.leaf_d)(depth - 1) if hasattr(self, "x_" + kind) else self.leaf(kind)

    def leaf_d(self, depth):
        return self.leaf("text")

    def leaf(self, kind):
        if kind in COLUMNS and self.r.random() < 0.7:
            return self.r.choice(COLUMNS[kind])
        return self.literal(kind)

    def literal(self, kind):
        r = self.r
        if r.random() < 0.04:
            return "NULL::" + kind
        if kind == "bool":
            return self.pick("true", "false")
        if kind in ("int2", "int4", "int8"):
            v = r.choice(EDGES["i2"] + ["2", "3", "10"]) if kind == "int2" else r.choice(EDGES["i4"] + ["5", "1000"])
            return f"({v})" if kind == "int4" and not v.startswith("-2147483648") else f"'{v}'::{kind}"
        if kind == "numeric":
            return self.pick("1.5", "0.1", "10.0", "3.00", "(-2.75)", "1000.0", "0.001", "'1e-10'::numeric", "0.0")
        if kind in ("float4", "float8"):
            return f"'{r.choice(EDGES['f4'] + ['3', '0.25'])}'::{kind}"
        source = {"text": "t", "uuid": "uu", "date": "d", "time": "tm", "timestamp": "ts", "timestamptz": "tz",
                  "json": "j", "jsonb": "jb", "bytea": "by"}[kind]
        text = quoted(r.choice(EDGES[source]))
        return text + ("::" + kind if kind != "text" or r.random() < 0.5 else "")

    def common(self, kind, d):
        e = self.expr
        which = self.r.randrange(8)
        if which == 0:
            return f"CASE WHEN {e('bool', d)} THEN {e(kind, d)} ELSE {e(kind, d)} END"
        if which == 1:
            key = self.pick("int4", "text")
            return f"CASE {e(key, d)} WHEN {self.literal(key)} THEN {e(kind, d)} WHEN {self.leaf(key)} THEN {e(kind, d)} END"
        if which == 2:
            return f"COALESCE({e(kind, d)}, {e(kind, d)})"
        if which == 3 and kind not in ("json",):
            return f"NULLIF({e(kind, d)}, {e(kind, d)})"
        if which == 4 and kind not in ("json", "jsonb", "bool", "text", "bytea"):
            return f"{self.pick('GREATEST', 'LEAST')}({e(kind, d)}, {e(kind, d)}, {self.leaf(kind)})"
        if which == 5:
            return f"({self.cast_source(kind, d)})::{kind}"
        return e(kind, d)

    def cast_source(self, kind, d):
        if kind in NUMBERS:
            return self.expr(self.pick(*NUMBERS, "text"), d)
        if kind in TIMES:
            return self.expr(self.pick(*TIMES), d)
        if kind == "bool":
            return self.expr(self.pick("int4", "text", "bool"), d)
        if kind == "text":
            return self.expr(self.pick(*[k for k in COLUMNS]), d)
        if kind == "time":
            return self.expr(self.pick("timestamp", "time", "timestamptz"), d)
        if kind in ("json", "jsonb"):
            return self.expr(self.pick("json", "jsonb"), d)
        return self.expr(kind, d)

    def x_bool(self, d):
        e, r = self.expr, self.r
        which = r.randrange(13)
        if which < 3:
            kind = self.pick(*NUMBERS)
            other = self.pick(*NUMBERS) if r.random() < 0.5 else kind
            return f"({e(kind, d)} {self.pick('=', '<>', '<', '<=', '>', '>=', '!=')} {e(other, d)})"
        if which == 3:
            kind = self.pick("text", "uuid", "bytea", "jsonb", "bool", "time")
            op = self.pick("=", "<>")
            return f"({e(kind, d)} {op} {e(kind, d)})"
        if which == 4:
            return f"({e(self.pick(*TIMES), d)} {self.pick('=', '<', '>=', '<>')} {e(self.pick(*TIMES), d)})"
        if which == 5:
            return f"({e('bool', d)} {self.pick('AND', 'OR')} {e('bool', d)})"
        if which == 6:
            return f"(NOT {e('bool', d)})"
        if which == 7:
            kind = self.pick(*NUMBERS, "date", "timestamp")
            return f"({e(kind, d)} {self.pick('', 'NOT')} BETWEEN {self.pick('', 'SYMMETRIC')} {e(kind, d)} AND {e(kind, d)})"
        if which == 8:
            kind = self.pick("int4", "text", "numeric", "int8", "uuid")
            return f"({e(kind, d)} {self.pick('', 'NOT')} IN ({', '.join(self.literal(kind) for _ in range(r.randint(1, 4)))}, {self.leaf(kind)}))"
        if which == 9:
            kind = self.pick(*NUMBERS, "text", "date", "bool", "jsonb")
            return self.pick(f"({e(kind, d)} IS {self.pick('', 'NOT')} NULL)",
                             f"({e(kind, d)} IS {self.pick('', 'NOT')} DISTINCT FROM {e(kind, d)})",
                             f"({e('bool', d)} IS {self.pick('', 'NOT')} {self.pick('TRUE', 'FALSE', 'UNKNOWN')})")
        if which == 10:
            pattern = quoted(self.pick("%a%", "_b%", "abc", "%", "", "a\\%b%", "%W_r%", "%ü%", "é%", "a\\"))
            return f"({e('text', d)} {self.pick('LIKE', 'NOT LIKE', 'ILIKE', 'NOT ILIKE')} {self.pick(pattern, pattern, e('text', d))})"
        if which == 11:
            return self.pick(f"(jb ? {quoted(self.pick(*KEYS))})", f"starts_with({e('text', d)}, {e('text', d)})",
                             f"({self.pick('t', 'c')} COLLATE \"C\" {self.pick('<', '>=')} {e('text', d)})",
                             f"(e {self.pick('=', '<>')} {quoted(self.pick('sad', 'ok'))})", "(ip = '10.0.0.1')")
        return f"({e('text', d)} COLLATE \"C\" {self.pick('<', '>', '<=')} {e('text', d)})"

    def number(self, kind, d):
        e = self.expr
        which = self.r.randrange(7)
        if which < 3:
            ops = "+-*/" if kind.startswith("float") else "+-*/%"
            return f"({e(kind, d)} {self.r.choice(ops)} {e(kind, d)})"
        if which == 3:
            return self.pick(f"(- {e(kind, d)})", f"abs({e(kind, d)})", f"(+ {e(kind, d)})")
        if which == 4:
            return f"({e(self.pick(*NUMBERS), d)})::{kind}"
        if which == 5 and not kind.startswith("float"):
            return f"mod({e(kind, d)}, {e(kind, d)})"
        return f"({e(kind, d)} {self.pick('+', '-', '*')} {self.literal(kind)})"

    def x_int2(self, d):
        return self.number("int2", d)

    def x_int4(self, d):
        e = self.expr
        return self.pick(
            self.number("int4", d), self.number("int4", d), f"length({e('text', d)})", f"char_length({self.pick('c', 'v', 't')})",
            f"octet_length({e('text', d)})", f"strpos({e('text', d)}, {e('text', d)})",
            f"position({e('text', d)} in {e('text', d)})", f"({e('date', d)} - {e('date', d)})",
            f"({e('int4', d)} {self.pick('+', '/')} {e('int2', d)})", f"(jb->>'a')::int4", f"({e('bool', d)})::int4")

    def x_int8(self, d):
        e = self.expr
        return self.pick(self.number("int8", d), f"({e('int4', d)} {self.pick('*', '-', '/')} {e('int8', d)})",
                         f"({e('int8', d)} {self.pick('+', '/')} {e('int2', d)})")

    def x_numeric(self, d):
        e = self.expr
        p, s = self.pick((18, 3), (10, 2), (5, 0), (38, 10), (3, 3))
        return self.pick(
            self.number("numeric", d), self.number("numeric", d),
            f"({e(self.pick('numeric', 'int4', 'float8', 'text'), d)})::numeric({p},{s})",
            f"{self.pick('round', 'trunc')}({e('numeric', d)}, {self.pick('0', '1', '2', '-1', '10', 'i2')})",
            f"{self.pick('round', 'trunc', 'ceil', 'floor', 'sign', 'ceiling')}({e('numeric', d)})",
            f"({e('int4', d)} / {self.literal('numeric')})",
            f"extract({self.pick(*FIELDS)} from {e(self.pick(*TIMES), d)})",
            f"extract({self.pick('hour', 'minute', 'second', 'epoch', 'milliseconds', 'day')} from {e('time', d)})",
            f"extract({self.pick('day', 'year', 'julian', 'hour')} from d)", "(jb)::numeric", "(jb->'a')::numeric")

    def x_float4(self, d):
        return self.number("float4", d)

    def x_float8(self, d):
        e = self.expr
        return self.pick(
            self.number("float8", d), f"{self.pick('round', 'trunc', 'ceil', 'floor', 'sign')}({e('float8', d)})",
            f"({e('float4', d)} {self.pick('+', '*', '/')} {e('float8', d)})",
            f"{self.pick('ceil', 'round')}({e('int4', d)})", f"({e('numeric', d)} * {e('float8', d)})",
            f"date_part({quoted(self.pick(*FIELDS))}, {e(self.pick(*TIMES, 'time'), d)})")

    def x_text(self, d):
        e, n = self.expr, self.pick("0", "1", "2", "3", "-1", "-2", "5", "i2")
        any_kind = self.pick(*COLUMNS)
        return self.pick(
            f"({e('text', d)} || {e('text', d)})", f"({e('text', d)} || {e(any_kind, d)})" if any_kind not in ("jsonb", "bytea") else "t",
            f"({e(any_kind, d)})::text", f"{self.pick('lower', 'upper')}({e('text', d)})",
            f"substring({e('text', d)} from {n})", f"substring({e('text', d)} from {n} for {self.pick('0', '1', '3', '100', '-1')})",
            f"substr({e('text', d)}, {n}, {self.pick('1', '2')})", f"{self.pick('left', 'right')}({e('text', d)}, {n})",
            f"trim({self.pick('', 'both', 'leading', 'trailing')} {self.pick('', quoted(' a'), quoted('xé'))} from {e('text', d)})",
            f"{self.pick('btrim', 'ltrim', 'rtrim')}({e('text', d)})", f"replace({e('text', d)}, {e('text', d)}, {e('text', d)})",
            f"split_part({e('text', d)}, {quoted(self.pick(',', ' ', '', 'b'))}, {self.pick('1', '2', '-1', '0', '9')})",
            f"concat({e('text', d)}, {e(any_kind, d)}, {e('bool', d)})", f"concat_ws({e('text', d)}, {e('int4', d)}, {e(any_kind, d)})",
            f"({e('text', d)})::varchar({self.pick('1', '3', '10')})", f"({e('text', d)})::char({self.pick('1', '4')})",
            f"({self.pick('j', 'jb')}->>{self.pick(quoted(self.pick(*KEYS)), '0', '1', '-1', '3')})",
            f"({self.pick('j', 'jb')}#>>{quoted('{' + self.pick('b,c,2', 'a', '3,k', 'b', '1', 'b,c,-1') + '}')})",
            f"({self.pick('e', 'ip', 'uu', 'pr', 'by')})::text")

    def x_date(self, d):
        e = self.expr
        return self.pick(f"({e('date', d)} {self.pick('+', '-')} {self.pick('1', '30', 'i2')})", f"({e(self.pick('timestamp', 'timestamptz'), d)})::date",
                         f"({e('timestamp', d)})::date")

    def x_timestamp(self, d):
        e = self.expr
        iv = self.pick("1 day", "1 month", "-1 mon", "1 year 2 mons 3 days 04:05:06.7", "90 minutes", "0.5 seconds", "1 week")
        return self.pick(
            f"date_trunc({quoted(self.pick(*UNITS))}, {e('timestamp', d)})", f"({e('timestamp', d)} {self.pick('+', '-')} interval '{iv}')",
            f"({e('date', d)} {self.pick('+', '-')} interval '{iv}')", f"({e('date', d)} + {e('time', d)})",
            f"({e('timestamptz', d)})::timestamp", f"({e('timestamp', d)})::timestamp({self.pick('0', '1', '3')})")

    def x_timestamptz(self, d):
        e = self.expr
        return self.pick(
            f"date_trunc({quoted(self.pick(*UNITS))}, {e(self.pick('timestamptz', 'date'), d)})",
            f"({e('timestamptz', d)} {self.pick('+', '-')} interval '{self.pick('1 day', '1 month', '36 hours')}')",
            f"to_timestamp({self.pick('0', '1.5', '1700000000.123456', 'f8', 'i4')})", f"({e('timestamptz', d)})::timestamptz(0)")

    def x_time(self, d):
        return self.pick(f"({self.expr('time', d)} {self.pick('+', '-')} interval '{self.pick('1 hour', '25:00', '-1 min')}')",
                         f"({self.expr('timestamp', d)})::time")

    def x_jsonb(self, d):
        return self.pick(f"({self.expr('jsonb', d)} -> {self.pick(quoted(self.pick(*KEYS)), '0', '1', '-1', 'i2')})",
                         f"({self.expr('jsonb', d)} #> {quoted('{' + self.pick('b,c', 'a', '0', '3,k') + '}')})", "(j)::jsonb")

    def x_json(self, d):
        return self.pick(f"({self.expr('json', d)} -> {self.pick(quoted(self.pick(*KEYS)), '0', '2', '-1')})", "(jb)::json")

    def wild(self, d):
        """Types at random: mostly errors, which both must see."""
        a, b = self.pick(*COLUMNS), self.pick(*COLUMNS)
        right = self.pick(self.leaf(b), self.leaf(b), quoted(self.pick("1", "a", "2024-01-01", "1.5")), "NULL")
        return f"({self.leaf(a)} {self.pick('+', '-', '*', '/', '=', '<', '||', '%', '->')} {right})"

    def any(self):
        if self.r.random() < 0.1:
            return self.wild(1)
        return self.expr(self.pick(*COLUMNS), self.r.randint(1, 4))
