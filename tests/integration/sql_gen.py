# SPDX-License-Identifier: Apache-2.0
"""Random expressions of the SQL subset, and the table and rows they are drawn over."""

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


# kind: texts that its input takes or refuses, each through a cast at run time
TEXTS = {
    "bool": ["t", "tr", "TRUE", "f", "fal", "yes", "y", "no", "N", "on", "off", "o", "1", "0", " true ", "2", "", "tru e"],
    "int": ["12", " 42 ", "+7", "-0", "0x10", "1_000", "1e3", "", "32768", "-32768", "2147483648", "9223372036854775808",
            "-9223372036854775808", "3.5", "abc", "- 1", "99999999999999999999"],
    "numeric": ["1.50", ".5", "5.", "1e5", "1E-3", "+1", "-.0", "nan", "inf", "-Infinity", "1..2", "1e", "0x1F", "--1", " 7 ",
                "1 2", "1e-300", "1e300", "1e200000", "123456.789e-4", "."],
    "float": ["1e309", "1e-400", "nan", "inf", "-inf", "Infinity", "1.5e", "1d", " 2 ", "1e39", "1e-46", "-1e-40", "0.1", "",
              "+Infinity", "1e22", "123456789.987654321", "9007199254740993"],
    "uuid": ["{6f3c5a52-3b5e-4c4e-9d47-111111111111}", "6F3C5A523B5E4C4E9D47111111111111", "6f3c-5a52-3b5e-4c4e-9d47-1111-1111-1111",
             "6f3c5a52-3b5e-4c4e-9d47-11111111111", "zf3c5a52-3b5e-4c4e-9d47-111111111111", ""],
    "date": ["2024-02-29", "2023-02-29", "2024-2-9", "0000-01-01", "10000-01-01", "5874897-12-31", "5874898-01-01", "infinity",
             "-infinity", "epoch", "2024-01-01 BC", "5874897-01-02", "2024-01-01T10:00", "2024-13-01", "2024-01-32", "4714-11-24 BC",
             "4714-11-23 BC", " 2024-01-01 ", "2024-01-01 10:00:00+02"],
    "time": ["12:34:56", "24:00:00", "24:00:01", "23:59:60", "12:34", "12:60", "25:00", "12:34:56.1234567", "2024-01-01 10:00",
             "10:00:00+02"],
    "timestamp": ["2024-02-29 12:34:56", "2024-02-29T12:34:56.789Z", "2024-02-29 12:34:56.1234565", "2024-02-29 24:00:00",
                  "2024-02-29 23:59:60", "2024-02-29 10:00+05:30", "2024-02-29 10:00-08", "2024-02-29 10:00:00 UTC", "2024-02-30 10:00",
                  "2024-02-29", "infinity", "-infinity", "0044-03-15 01:02:03 BC", "200000-12-31 23:59:59", "294277-01-01", "epoch",
                  "2024-02-29 10:00+0530", "2024-02-29 10:00:00+16", "2024-02-29 10:61"],
    "json": ['{"b":1,"a":2}', '{"a":1, "a":2}', "[1,2", '"\\u0000"', " 1 ", "NaN", "1e5", "1E-7", "-0", "-0.0", '"\\ud83d\\ude00"',
             '"\\ud800"', '{"a" : [1 ,2 ], "bb":{} }', "01", "", "nul", "true", '{"a":1,}', '"a\\/b"', "[[[]]]", "1.10", '{"":null}',
             '{"aa":1,"b":2,"":3}', "12345678901234567890.0987654321"],
    "bytea": ["\\x0g", "\\xABCD", "abc", "a\\000b", "a\\\\b", "\\x 12", "\\x1", "a\\b", "", "é"],
}
TEXTS.update({"int2": TEXTS["int"], "int4": TEXTS["int"], "int8": TEXTS["int"], "float4": TEXTS["float"], "float8": TEXTS["float"],
              "timestamptz": TEXTS["timestamp"], "jsonb": TEXTS["json"]})
INTERVALS = ["1 day", "1 month", "-1 mon", "1 year 2 mons 3 days 04:05:06.7", "90 minutes", "0.5 seconds", "1 week", "P1Y2M3DT4H5M6S",
             "1.5 days", "-00:00:00.000001", "25:00", "100 years", "1 mon -1 day", "36 hours", "200000 years", "1 decade", "2 centuries"]
FUNCTIONS = ["abs", "ceil", "floor", "round", "trunc", "sign", "mod", "lower", "upper", "length", "char_length", "octet_length",
             "substr", "left", "right", "btrim", "ltrim", "rtrim", "replace", "split_part", "strpos", "concat", "concat_ws",
             "starts_with", "date_trunc", "date_part", "to_timestamp", "coalesce", "nullif", "greatest", "least"]


def any_number(rnd):
    """A decimal of random digits and scale."""
    digits, scale = rnd.choice((1, 3, 9, 18, 19, 38, 39, 60)), rnd.choice((0, 0, 1, 2, 6, 18, 30))
    value = rnd.randrange(10 ** rnd.randint(1, digits))
    text = str(value).rjust(scale + 1, "0")
    return rnd.choice(("", "-")) + (text[:-scale] + "." + text[-scale:] if scale else text)


def any_int(rnd, bits):
    return str(rnd.getrandbits(rnd.randint(1, bits)) - (1 << bits - 1 if rnd.random() < 0.3 else 0))


def any_float(rnd):
    return repr(rnd.choice((1, -1)) * rnd.random() * 10.0 ** rnd.randint(-30, 30))


def any_stamp(rnd):
    year, month, day = rnd.choice((rnd.randint(1, 9999), rnd.randint(1900, 2100))), rnd.randint(1, 12), rnd.randint(1, 28)
    clock = f"{rnd.randint(0, 23):02}:{rnd.randint(0, 59):02}:{rnd.randint(0, 59):02}.{rnd.getrandbits(20) % 1000000:06}"
    return f"{year:04}-{month:02}-{day:02} {clock}" + (" BC" if year < 4000 and rnd.random() < 0.1 else "")


def any_text(rnd):
    text = "".join(rnd.choice("ab %_\\,.-0159'éßÄ€日😀\n") for _ in range(rnd.randint(0, 9)))
    return "x" + text if any(c.isdigit() for c in text) else text  # never a time that Postgres alone reads


ANY = {
    "i2": lambda r: any_int(r, 15), "i4": lambda r: any_int(r, 31), "i8": lambda r: any_int(r, 63), "n": any_number,
    "n3": lambda r: f"{r.randint(-10**9, 10**9)}.{r.randint(0, 999):03}", "f4": lambda r: repr(r.uniform(-1e6, 1e6)), "f8": any_float,
    "t": any_text, "u": any_text, "d": lambda r: any_stamp(r).split(" ")[0], "ts": any_stamp, "tz": any_stamp,
    "tm": lambda r: any_stamp(r).split(" ")[1], "pr": lambda r: f"{r.randint(-99999, 99999)}.{r.randint(0, 99):02}",
}


def rows(rnd, count, first=1, fresh=False):
    """count rows as lists of literals or None, edges mixed at random; fresh: half of what can be is made up."""
    out = []
    for i in range(count):
        row = [str(first + i)]
        for name, edges in EDGES.items():
            value = None if rnd.random() < 0.08 else rnd.choice(edges)
            row.append(ANY[name](rnd) if fresh and value is not None and name in ANY and rnd.random() < 0.5 else value)
        out.append(row)
    return out


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Gen:
    def __init__(self, rnd):
        self.r = rnd

    def pick(self, *options):
        """One of them; of functions only the chosen one is called."""
        option = self.r.choice(options)
        return option() if callable(option) else option

    def expr(self, kind, depth):
        if depth <= 0 or self.r.random() < 0.15:
            return self.leaf(kind)
        if kind in TEXTS and self.r.random() < 0.06:
            return self.text_input(kind)
        if self.r.random() < 0.25:
            return self.common(kind, depth - 1)
        return getattr(self, "x_" + kind, self.leaf_d)(depth - 1) if hasattr(self, "x_" + kind) else self.leaf(kind)

    def leaf_d(self, depth):
        return self.leaf("text")

    def text_input(self, kind):
        """A text that only the run turns into kind."""
        a, b = quoted(self.r.choice(TEXTS[kind])), quoted(self.r.choice(TEXTS[kind]))
        return f"(CASE WHEN {self.pick('b', 'i4 > 0', 'n > 1')} THEN {a} ELSE {b} END)::{kind}"

    def leaf(self, kind):
        if kind == "interval":
            return f"interval {quoted(self.pick(*INTERVALS))}"
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
            return self.expr(self.pick("json", "jsonb", "text"), d)
        if kind == "interval":
            return self.expr(self.pick("interval", "time"), d)
        if kind in ("uuid", "bytea"):
            return self.expr(self.pick(kind, kind, "text"), d)
        return self.expr(kind, d)

    def x_bool(self, d):
        e, r = self.expr, self.r
        which = r.randrange(17)
        if which == 13:
            kind = self.pick("uuid", "bytea", "bool", "time", "interval")
            return f"({e(kind, d)} {self.pick('<', '>', '<=', '>=', '=')} {e(kind, d)})"
        if which == 14:
            escape = self.pick("", " ESCAPE '!'", " ESCAPE ''", " ESCAPE 'é'", " ESCAPE '\\'")
            pattern = quoted(self.pick("a!%%", "!_b%", "%!", "é%%", "%\\%", "_日%", "%€", "%%", "__", "%_%_%"))
            return f"({e('text', d)} {self.pick('LIKE', 'NOT LIKE', 'ILIKE', 'NOT ILIKE')} {pattern}{escape})"
        if which == 15:
            return self.pick(lambda: f"({e('text', d)} COLLATE \"C\" {self.pick('', 'NOT')} BETWEEN {self.literal('text')} AND {e('text', d)})",
                             lambda: f"(e {self.pick('IN', 'NOT IN')} ('sad', 'happy'))", "(ip <> '::1')", "(ar IS NOT NULL)",
                             lambda: f"({e('jsonb', d)} ? {e('text', d)})", lambda: f"(({e('jsonb', d)} -> {quoted(self.pick(*KEYS))})::bool)",
                             lambda: f"({e(self.pick('int2', 'int4'), d)} {self.pick('IN', 'NOT IN')} (1, 2.5, {self.leaf('int8')}, NULL))",
                             lambda: f"({self.literal('text')} = {self.pick('c', 'v', 'u')})", lambda: f"(jb = {quoted(r.choice(EDGES['jb']))})")
        if which == 16:
            kind = self.pick(*[k for k in COLUMNS if k != "json"])
            value = quoted(self.pick("1", "0", "2024-01-01", "1.5", "t", "abc", "NaN"))
            left, right = self.pick((e(kind, d), value), (value, e(kind, d)))
            return f"({left} {self.pick('=', '<>', '<', '>=')} {right})"
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
            return self.pick(lambda: f"({e(kind, d)} IS {self.pick('', 'NOT')} NULL)",
                             lambda: f"({e(kind, d)} IS {self.pick('', 'NOT')} DISTINCT FROM {e(kind, d)})",
                             lambda: f"({e('bool', d)} IS {self.pick('', 'NOT')} {self.pick('TRUE', 'FALSE', 'UNKNOWN')})")
        if which == 10:
            pattern = quoted(self.pick("%a%", "_b%", "abc", "%", "", "a\\%b%", "%W_r%", "%ü%", "é%", "a\\"))
            return f"({e('text', d)} {self.pick('LIKE', 'NOT LIKE', 'ILIKE', 'NOT ILIKE')} {self.pick(pattern, pattern, lambda: e('text', d))})"
        if which == 11:
            return self.pick(lambda: f"(jb ? {quoted(self.pick(*KEYS))})", lambda: f"starts_with({e('text', d)}, {e('text', d)})",
                             lambda: f"({self.pick('t', 'c')} COLLATE \"C\" {self.pick('<', '>=')} {e('text', d)})",
                             lambda: f"(e {self.pick('=', '<>')} {quoted(self.pick('sad', 'ok'))})", "(ip = '10.0.0.1')")
        return f"({e('text', d)} COLLATE \"C\" {self.pick('<', '>', '<=')} {e('text', d)})"

    def number(self, kind, d):
        e = self.expr
        which = self.r.randrange(7)
        if which < 3:
            ops = "+-*/" if kind.startswith("float") else "+-*/%"
            return f"({e(kind, d)} {self.r.choice(ops)} {e(kind, d)})"
        if which == 3:
            return self.pick(lambda: f"(- {e(kind, d)})", lambda: f"abs({e(kind, d)})", lambda: f"(+ {e(kind, d)})")
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
            lambda: self.number("int4", d), lambda: self.number("int4", d), lambda: f"length({e('text', d)})", lambda: f"char_length({self.pick('c', 'v', 't')})",
            lambda: f"octet_length({e('text', d)})", lambda: f"strpos({e('text', d)}, {e('text', d)})",
            lambda: f"position({e('text', d)} in {e('text', d)})", lambda: f"({e('date', d)} - {e('date', d)})",
            lambda: f"({e('int4', d)} {self.pick('+', '/')} {e('int2', d)})", "(jb->>'a')::int4", lambda: f"({e('bool', d)})::int4",
            lambda: f"({e('jsonb', d)} -> {quoted(self.pick(*KEYS))})::int4", lambda: f"{self.pick('length', 'octet_length')}({e('bytea', d)})",
            lambda: f"@ {e('int4', d)}", lambda: f"sign({e('int4', d)})::int4")

    def x_int8(self, d):
        e = self.expr
        return self.pick(lambda: self.number("int8", d), lambda: f"({e('int4', d)} {self.pick('*', '-', '/')} {e('int8', d)})",
                         lambda: f"({e('int8', d)} {self.pick('+', '/')} {e('int2', d)})")

    def x_numeric(self, d):
        e = self.expr
        p, s = self.pick((18, 3), (10, 2), (5, 0), (38, 10), (3, 3))
        return self.pick(
            lambda: self.number("numeric", d), lambda: self.number("numeric", d),
            lambda: f"({e(self.pick('numeric', 'int4', 'float8', 'text'), d)})::numeric({p},{s})",
            lambda: f"{self.pick('round', 'trunc')}({e('numeric', d)}, {self.pick('0', '1', '2', '-1', '10', 'i2')})",
            lambda: f"{self.pick('round', 'trunc', 'ceil', 'floor', 'sign', 'ceiling')}({e('numeric', d)})",
            lambda: f"({e('int4', d)} / {self.literal('numeric')})",
            lambda: f"extract({self.pick(*FIELDS)} from {e(self.pick(*TIMES), d)})",
            lambda: f"extract({self.pick('hour', 'minute', 'second', 'epoch', 'milliseconds', 'day')} from {e('time', d)})",
            lambda: f"extract({self.pick('day', 'year', 'julian', 'hour')} from d)", "(jb)::numeric", "(jb->'a')::numeric",
            lambda: f"({e('numeric', d)} / {e(self.pick('int4', 'int8', 'numeric'), d)})", lambda: f"({e('numeric', d)} * {e('numeric', d)})",
            lambda: f"{self.pick('round', 'trunc')}({e('numeric', d)}, {e('int4', 0)})", lambda: f"({any_number(self.r)})",
            lambda: f"({e('int8', d)} / {any_number(self.r)})", lambda: f"extract({self.pick('julian', 'epoch', 'timezone')} from {e('timestamptz', d)})")

    def x_float4(self, d):
        return self.number("float4", d)

    def x_float8(self, d):
        e = self.expr
        return self.pick(
            lambda: self.number("float8", d), lambda: f"{self.pick('round', 'trunc', 'ceil', 'floor', 'sign')}({e('float8', d)})",
            lambda: f"({e('float4', d)} {self.pick('+', '*', '/')} {e('float8', d)})",
            lambda: f"{self.pick('ceil', 'round')}({e('int4', d)})", lambda: f"({e('numeric', d)} * {e('float8', d)})",
            lambda: f"date_part({quoted(self.pick(*FIELDS))}, {e(self.pick(*TIMES, 'time'), d)})", lambda: f"({e('jsonb', d)} -> 'a')::float8",
            lambda: f"({e('float8', d)} {self.pick('+', '-', '*', '/')} {any_float(self.r)}::float8)", lambda: f"extract(epoch from {e('timestamp', d)})::float8")

    def x_text(self, d):
        e, n = self.expr, self.pick("0", "1", "2", "3", "-1", "-2", "5", "i2")
        any_kind = self.pick(*COLUMNS)
        return self.pick(
            lambda: f"({e('text', d)} || {e('text', d)})", lambda: f"({e('text', d)} || {e(any_kind, d)})" if any_kind not in ("jsonb", "bytea") else "t",
            lambda: f"({e(any_kind, d)})::text", lambda: f"{self.pick('lower', 'upper')}({e('text', d)})",
            lambda: f"substring({e('text', d)} from {n})", lambda: f"substring({e('text', d)} from {n} for {self.pick('0', '1', '3', '100', '-1')})",
            lambda: f"substr({e('text', d)}, {n}, {self.pick('1', '2')})", lambda: f"{self.pick('left', 'right')}({e('text', d)}, {n})",
            lambda: f"trim({self.pick('', 'both', 'leading', 'trailing')} {self.pick('', quoted(' a'), quoted('xé'))} from {e('text', d)})",
            lambda: f"{self.pick('btrim', 'ltrim', 'rtrim')}({e('text', d)})", lambda: f"replace({e('text', d)}, {e('text', d)}, {e('text', d)})",
            lambda: f"split_part({e('text', d)}, {quoted(self.pick(',', ' ', '', 'b'))}, {self.pick('1', '2', '-1', '0', '9')})",
            lambda: f"concat({e('text', d)}, {e(any_kind, d)}, {e('bool', d)})", lambda: f"concat_ws({e('text', d)}, {e('int4', d)}, {e(any_kind, d)})",
            lambda: f"({e('text', d)})::varchar({self.pick('1', '3', '10')})", lambda: f"({e('text', d)})::char({self.pick('1', '4')})",
            lambda: f"({self.pick('j', 'jb')}->>{self.pick(quoted(self.pick(*KEYS)), '0', '1', '-1', '3')})",
            lambda: f"({self.pick('j', 'jb')}#>>{quoted('{' + self.pick('b,c,2', 'a', '3,k', 'b', '1', 'b,c,-1') + '}')})",
            lambda: f"({self.pick('e', 'ip', 'uu', 'pr', 'by')})::text", lambda: f"({e('text', d)})::name", lambda: f"({e('interval', d)})::text",
            lambda: f"({e('text', d)} COLLATE \"C\")", lambda: f"{self.pick('GREATEST', 'LEAST')}({e('text', d)} COLLATE \"C\", {e('text', d)})",
            lambda: f"({e('jsonb', d)} ->> {self.pick('t', 'i4', quoted(self.pick(*KEYS)))})", lambda: f"({e('json', d)} ->> {self.pick('i4', '0', 't')})",
            lambda: f"{self.pick('btrim', 'ltrim', 'rtrim')}({e('text', d)}, {e('text', d)})", lambda: f"left({e('text', d)}, {e('int4', 0)})",
            lambda: f"split_part({e('text', d)}, {e('text', 0)}, {e('int4', 0)})", lambda: f"COALESCE(e, {quoted(self.pick('sad', 'ok'))})::text",
            lambda: f"({e('text', d)})::varchar({self.pick('2', '5')})::char({self.pick('3', '6')})", lambda: f"substring({e('text', d)}, {e('int4', 0)}, {e('int2', 0)})",
            lambda: f"concat({e(any_kind, d)}, {e('text', d)}, NULL, {self.pick('e', 'ip', 'pr', 'c')})", lambda: quoted(any_text(self.r)))

    def x_date(self, d):
        e = self.expr
        return self.pick(lambda: f"({e('date', d)} {self.pick('+', '-')} {self.pick('1', '30', 'i2')})", lambda: f"({e(self.pick('timestamp', 'timestamptz'), d)})::date",
                         lambda: f"({e('timestamp', d)})::date", lambda: f"({e('int4', 0)} + {e('date', d)})")

    def x_timestamp(self, d):
        e = self.expr
        iv = self.pick(*INTERVALS)
        return self.pick(
            lambda: f"date_trunc({quoted(self.pick(*UNITS))}, {e('timestamp', d)})", lambda: f"({e('timestamp', d)} {self.pick('+', '-')} interval '{iv}')",
            lambda: f"({e('date', d)} {self.pick('+', '-')} interval '{iv}')", lambda: f"({e('date', d)} + {e('time', d)})",
            lambda: f"({e('timestamptz', d)})::timestamp", lambda: f"({e('timestamp', d)})::timestamp({self.pick('0', '1', '3')})",
            lambda: f"({e('timestamp', d)} {self.pick('+', '-')} {e('interval', d)})", lambda: f"({e('interval', d)} + {e(self.pick('timestamp', 'date'), d)})")

    def x_timestamptz(self, d):
        e = self.expr
        return self.pick(
            lambda: f"date_trunc({quoted(self.pick(*UNITS))}, {e(self.pick('timestamptz', 'date'), d)})",
            lambda: f"({e('timestamptz', d)} {self.pick('+', '-')} interval '{self.pick('1 day', '1 month', '36 hours')}')",
            lambda: f"to_timestamp({self.pick('0', '1.5', '1700000000.123456', 'f8', 'i4')})", lambda: f"({e('timestamptz', d)})::timestamptz(0)",
            lambda: f"({e('timestamptz', d)} {self.pick('+', '-')} {e('interval', d)})", lambda: f"to_timestamp({e('float8', d)})",
            lambda: f"({e('timestamptz', d)})::timestamptz({self.pick('2', '5', '6')})")

    def x_time(self, d):
        return self.pick(lambda: f"({self.expr('time', d)} {self.pick('+', '-')} interval '{self.pick('1 hour', '25:00', '-1 min')}')",
                         lambda: f"({self.expr('timestamp', d)})::time", lambda: f"({self.expr('time', d)})::time({self.pick('0', '2')})",
                         lambda: f"({self.expr('time', d)} {self.pick('+', '-')} {self.expr('interval', d)})", lambda: f"({self.expr('interval', d)})::time")

    def x_interval(self, d):
        e = self.expr
        kind = self.pick("timestamp", "timestamptz", "time")
        return self.pick(lambda: f"({e(kind, d)} - {e(kind, d)})", lambda: f"({e('time', d)})::interval", lambda: f"(- {e('interval', d)})",
                         lambda: f"({e('interval', d)} {self.pick('+', '-')} {e('interval', d)})")

    def x_uuid(self, d):
        return f"({self.expr('text', d)})::uuid"

    def x_bytea(self, d):
        return self.pick(f"({self.expr('bytea', d)} || {self.expr('bytea', d)})", self.text_input("bytea"))

    def x_jsonb(self, d):
        return self.pick(lambda: f"({self.expr('jsonb', d)} -> {self.pick(quoted(self.pick(*KEYS)), '0', '1', '-1', 'i2')})",
                         lambda: f"({self.expr('jsonb', d)} #> {quoted('{' + self.pick('b,c', 'a', '0', '3,k', '-1', '', 'NULL', 'b,c,-1') + '}')})", "(j)::jsonb",
                         lambda: f"({self.expr('jsonb', d)} -> {self.pick('t', 'i4')})")

    def x_json(self, d):
        return self.pick(f"({self.expr('json', d)} -> {self.pick(quoted(self.pick(*KEYS)), '0', '2', '-1')})", "(jb)::json")

    def wild(self, d):
        """Types at random: mostly errors, which both must see."""
        a, b = self.pick(*COLUMNS), self.pick(*COLUMNS)
        literal = quoted(self.pick("1", "a", "2024-01-01", "1.5", "1 day", "t"))
        which = self.r.randrange(8)
        if which == 0:
            args = [self.pick(lambda: self.leaf(self.pick(*COLUMNS)), lambda: literal, "NULL", "1", "1.5") for _ in range(self.r.randint(1, 3))]
            return f"{self.pick(*FUNCTIONS)}({', '.join(args)})"
        if which == 1:
            return f"({self.leaf(a)})::{self.pick(*COLUMNS, 'varchar(3)', 'char(2)', 'numeric(4,1)', 'name', 'timestamp(0)', 'interval')}"
        if which == 2:
            return f"{self.pick('CASE WHEN b THEN {} ELSE {} END', 'COALESCE({}, {})', 'NULLIF({}, {})', 'GREATEST({}, {})')}".format(
                self.leaf(a), self.pick(self.leaf(b), literal))
        left, right = self.leaf(a), self.pick(lambda: self.leaf(b), lambda: self.leaf(b), lambda: literal, "NULL")
        if self.r.random() < 0.3:
            left, right = right, left
        return f"({left} {self.pick('+', '-', '*', '/', '=', '<', '||', '%', '->', '->>', '?', 'LIKE', 'IS DISTINCT FROM')} {right})"

    def any(self):
        if self.r.random() < 0.12:
            return self.wild(1)
        return self.expr(self.pick(*COLUMNS, "interval"), self.r.randint(1, 4))
