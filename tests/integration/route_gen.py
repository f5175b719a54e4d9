# SPDX-License-Identifier: Apache-2.0
"""Random SELECTs over two tables of known types, for test_router_differential.py: what the
emitters take, and a good deal of what they must refuse."""
import re

COLUMNS = {  # name: (type in the registry, type in ClickHouse)
    "id": ("bigint", "Int64"), "a": ("integer", "Nullable(Int32)"), "b": ("integer", "Int32"),
    "s": ("smallint", "Nullable(Int16)"), "g": ("bigint", "Nullable(Int64)"),
    "n": ("numeric(12,3)", "Nullable(Decimal(12, 3))"), "t": ("text", "Nullable(String)"),
    "c": ('text COLLATE "C"', "Nullable(String)"), "d": ("date", "Nullable(Date32)"),
    "ts": ("timestamp", "Nullable(DateTime64(6, 'UTC'))"), "tz": ("timestamptz", "Nullable(DateTime64(6, 'UTC'))"),
    "f": ("double precision", "Nullable(Float64)"), "ok": ("boolean", "Nullable(Bool)"), "u": ("uuid", "Nullable(UUID)"),
}
KIND = {"id": "int", "a": "int", "b": "int", "s": "int", "g": "int", "n": "num", "t": "text", "c": "ctext", "d": "date",
        "ts": "ts", "tz": "tz", "f": "float", "ok": "bool", "u": "uuid"}
TEXTS = ["", "a", "A", "ab", "a%", "a_b", "it's", "x\\", "\\'", "ä", "Ä", "日本", "ß", "a b", " ", "é́", "z", "NULL", "-1", "0"]
PATTERNS = ["a%", "%b", "%", "", "a_%", "%'%", "x\\%", "日%", "%a%"]
UUIDS = ["00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426614174000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]
EDGES = {
    "a": [0, 1, -1, 2, 7, -7, 2147483647, -2147483648], "b": [0, 1, -1, 5, -5, 1000, 2147483647],
    "s": [0, 1, -1, 32767, -32768, 3], "g": [0, 1, -1, 9223372036854775807, -9223372036854775808, 12, 4294967296],
    "n": ["0", "1.5", "-1.5", "0.001", "-0.001", "123456789.123", "2.000", "-999999999.999"], "t": TEXTS, "c": TEXTS,
    "d": ["1970-01-01", "2026-02-28", "2000-02-29", "1969-12-31", "1910-06-01"],
    "ts": ["1970-01-01 00:00:00", "2026-01-31 23:59:59.999999", "2000-02-29 12:00:00.5", "1969-12-31 23:59:59"],
    "tz": ["1970-01-01 00:00:00+00", "2026-01-31 23:59:59.999999+00", "2020-06-01 10:00:00.25+00"],
    "f": [0.0, 1.5, -1.5, 1e300, 0.1], "ok": [True, False], "u": UUIDS,
}


def rows(rng, count):
    for i in range(count):
        yield [i + 1] + [rng.choice(EDGES[c]) if c == "b" or rng.random() > 0.2 else None for c in COLUMNS if c != "id"]


class Gen:
    def __init__(self, rng):
        self.r = rng

    def quote(self, text):
        return "'" + text.replace("'", "''") + "'"

    def column(self, *kinds):
        return self.r.choice([c for c, k in KIND.items() if k in kinds])

    def literal(self, kind):
        r = self.r
        if kind == "int":
            return str(r.choice([0, 1, 2, 3, 7, 100, -1, -7, 32767, 2147483647, 2147483648, 4294967296]))
        if kind == "num":
            return r.choice(["0.5", "1.500", "2", "-1.5", "0.001", "123456789.123", "0", "1e3"])
        if kind in ("text", "ctext"):
            return self.quote(r.choice(TEXTS))
        if kind == "bool":
            return r.choice(["true", "false"])
        if kind == "float":
            return r.choice(["1.5", "0"])
        column = {"date": "d", "ts": "ts", "tz": "tz", "uuid": "u"}[kind]
        return self.quote(str(r.choice(EDGES[column])).removesuffix("+00"))

    def scalar(self, kind, depth=2):
        r = self.r
        if depth == 0 or r.random() < 0.5:
            return self.column(kind) if r.random() < 0.8 else self.literal(kind)
        if r.random() < 0.15:
            one, other = r.choice([(1, 1), (1, 1), (0, 1), (1, 0)])
            one, other = (self.scalar(kind, depth - 1) if some else "NULL" for some in (one, other))
            return f"CASE WHEN {self.truth(depth - 1)} THEN {one} ELSE {other} END"
        if r.random() < 0.1:
            return f"coalesce({self.column(kind)}, {self.scalar(kind, depth - 1)})"
        if r.random() < 0.1:
            return f"nullif({self.column(kind)}, {self.literal(kind) if r.random() < 0.5 else self.column(kind)})"
        if kind == "int":
            return r.choice([
                lambda: f"({self.scalar('int', depth - 1)} {r.choice('+-*')} {self.scalar('int', depth - 1)})",
                lambda: f"({self.column('int')} {r.choice('/%')} {r.choice(['2', '3', '-7', '10', '0', '-1', 'b'])})",
                lambda: f"length({self.scalar('text', depth - 1)})", lambda: f"{self.column('int')}::bigint",
                lambda: f"abs({self.column('int')})", lambda: f"-{self.column('int')}"])()
        if kind == "num":
            return f"({self.column('num')} {r.choice('+-*/')} {self.literal('num')})" if r.random() < 0.2 else f"round({self.column('num')}, 1)"
        if kind in ("text", "ctext"):
            return r.choice([f"({self.column('text')} || {self.scalar('text', depth - 1)})", f"lower({self.column('text')})",
                             f"{self.column('int')}::text", f"substring({self.column('text')}, 1, 2)"])
        return self.column(kind)

    def truth(self, depth=2):
        r = self.r
        if depth and r.random() < 0.45:
            return r.choice([lambda: f"({self.truth(depth - 1)} AND {self.truth(depth - 1)})",
                             lambda: f"({self.truth(depth - 1)} OR {self.truth(depth - 1)})",
                             lambda: f"(NOT {self.truth(depth - 1)})"])()
        kind = r.choice(["int", "int", "num", "text", "text", "ctext", "date", "ts", "tz", "uuid", "bool", "float"])
        x, no = self.scalar(kind, depth and 1), r.choice(["", "", "NOT "])
        return r.choice([
            lambda: f"{x} {r.choice(['=', '<>', '<', '>', '<=', '>='])} {self.scalar(kind, 0)}",
            lambda: f"{x} {r.choice(['=', '<>', '<', '>'])} {self.literal(kind)}",
            lambda: f"{self.column(kind)} {no}IN ({', '.join(r.choice([self.literal(kind), self.literal(kind), 'NULL']) for _ in range(r.randint(1, 4)))})",
            lambda: f"{x} {no}BETWEEN {self.literal(kind)} AND {self.literal(kind)}",
            lambda: f"{x} IS {no}NULL", lambda: f"{x} IS {no}DISTINCT FROM {self.literal(kind)}",
            lambda: f"{self.column('text')} {no}LIKE {self.quote(r.choice(PATTERNS))}",
            lambda: f"{self.column('bool')} IS {no}{r.choice(['TRUE', 'FALSE', 'UNKNOWN'])}", lambda: self.column("bool"),
            lambda: f"starts_with({self.column('text')}, {self.literal('text')})"])()

    def aggregate(self):
        r = self.r
        kind = r.choice(["int", "num", "ctext", "date", "ts", "tz", "text", "float", "uuid", "bool"])
        call = r.choice([lambda: "count(*)", lambda: f"count({self.scalar(kind, 1)})", lambda: f"count(DISTINCT {self.column(kind)})",
                         lambda: f"sum({self.scalar(r.choice(['int', 'num']), 1)})", lambda: f"sum({self.column('int', 'num')})",
                         lambda: f"min({self.scalar(kind, 1)})", lambda: f"max({self.column(kind)})",
                         lambda: f"bool_and({self.truth(1)})", lambda: f"bool_or({self.truth(1)})", lambda: f"avg({self.column('int', 'num')})",
                         lambda: f"avg({self.scalar(r.choice(['int', 'num']), 1)})"])()
        return call + (f" FILTER (WHERE {self.truth(1)})" if r.random() < 0.2 else "")

    def output(self):
        """An aggregate, or an expression over averages and others."""
        r = self.r
        avg = f"avg({self.column('int', 'num')})" + (f" FILTER (WHERE {self.truth(1)})" if r.random() < 0.2 else "")
        return r.choice([self.aggregate, self.aggregate, self.aggregate, lambda: f"round({avg}, {r.randint(-2, 6)})",
                         lambda: f"({avg} {r.choice('+-*')} {r.choice(['sum(b)', 'count(*)', '2', '0.5', 'avg(n)'])})",
                         lambda: f"coalesce({avg}, {r.choice(['0', '1.50', 'avg(b)'])})",
                         lambda: f"({avg} / {r.choice(['3', '7.00', 'count(*)', 'nullif(count(n), 0)'])})",
                         lambda: f"CAST({avg} AS numeric(30,{r.randint(0, 5)}))"])()

    def source(self, depth):
        r = self.r
        table = r.choice(["facts", "facts", "facts", "facts", "nothing"])
        if depth == 0 or r.random() < 0.75:
            return table
        where = f" WHERE {self.truth(1)}" if r.random() < 0.5 else ""
        columns = ", ".join(COLUMNS) if r.random() < 0.5 else "*"
        return f"(SELECT {columns} FROM {self.source(depth - 1)}{where}) AS {'xyz'[depth]}"

    def grouped(self, depth):
        r = self.r
        keys = [self.scalar(r.choice(["int", "text", "bool", "date", "ts", "num", "uuid"]), 1) for _ in range(r.randint(0, 2))]
        keys = [k for k in keys if k[0] not in "-'0123456789" and k not in ("true", "false")]
        outs = [self.output() for _ in range(r.randint(1, 3))]
        sql = f"SELECT {', '.join([f'{k} AS k{i}' for i, k in enumerate(keys)] + outs)} FROM {self.source(depth)}"
        if r.random() < 0.5:
            sql += f" WHERE {self.truth()}"
        if keys:
            sql += " GROUP BY " + ", ".join(str(i + 1) if r.random() < 0.5 else k for i, k in enumerate(keys))
        if r.random() < 0.2:
            sql += f" HAVING count(*) > {r.randint(0, 3)}"
        return sql

    def plain(self, depth):
        r = self.r
        distinct = r.random() < 0.2
        kinds = ["int", "text", "num", "bool", "date", "ts", "tz", "uuid", "ctext"] + ([] if distinct else ["float"])
        outs = [self.scalar(r.choice(kinds)) for _ in range(r.randint(1, 4))]
        ordered = not distinct and r.random() < 0.4
        if ordered:  # named, lest Postgres names one `id` (ELSE id::text), which ORDER BY would mean then
            outs = [f"{out} AS o{i}" if "id" in out and out != "id" else out for i, out in enumerate(outs)]
            outs.append(r.choice(["a", "c", "d", "n", "b", "ts", "ok"]))
        sql = f"SELECT {'DISTINCT ' if distinct else ''}{', '.join(outs)} FROM {self.source(depth)}"
        if r.random() < 0.7:
            sql += f" WHERE {self.truth()}"
        if ordered:
            sql += f" ORDER BY {len(outs)} {r.choice(['', 'ASC', 'DESC'])} {r.choice(['', 'NULLS FIRST', 'NULLS LAST'])}, id"
            sql += r.choice(["", f" LIMIT {r.randint(0, 20)}", f" LIMIT {r.randint(0, 9)} OFFSET {r.randint(0, 30)}"])
        return sql, ordered

    def query(self):
        """(SQL on one line, is its order told?)"""
        r = self.r
        if r.random() < 0.45:
            return self.grouped(2), False
        if r.random() < 0.08:
            kinds = [r.choice(["int", "text", "bool", "date"]) for _ in range(2)]
            arms = [f"SELECT {', '.join(self.column(k) for k in kinds)} FROM {self.source(0)} WHERE {self.truth(1)}" for _ in range(2)]
            return r.choice([" UNION ", " UNION ALL ", " EXCEPT "]).join(arms), False
        if r.random() < 0.1:
            return f"WITH w AS ({self.plain(0)[0].replace('DISTINCT ', '')}) SELECT count(*) FROM w", False
        return self.plain(2)


TOKEN = re.compile(r"'(?:[^']|'')*'|[A-Za-z_]\w*(?:\(\d+(?:,\d+)?\))?|\d+(?:\.\d+)?(?:e\d+)?|\s+|.", re.S)
HOSTILE = {  # what a parameter may hold besides the literal that stood there
    "number": [" 7 ", "+3", "007", "\t-2\n", "abc", "", "1.5", "NaN", "Infinity", "-inf", "99999999999999999999", "2147483648", "-0", "1e3", "1e-5",
               "0.0000000000000000000000001", "123456789012345678901234567890.5", "1_000", "0x10", "-9223372036854775808", "32768", "0", "-1", None],
    "text": ["", "\\", "'", "''", "\t", "\n", "\\'", "x\\'' UNION ALL SELECT ssn FROM users -- ", "') OR 1=1 -- ", "$1", "?", "{p1:String}", "%", "_", "a\\%",
             "\x01", "\x7f", "\ufeff", "\U0001f600", "\\N", "NULL", "e\u0301", None, "infinity", "-infinity", "today", "epoch", " 2020-01-01 ", "2020-13-01",
             "1600-01-01", "9999-12-31", "0044-03-15 BC", "2020-01-01 00:00:00+02", "2020-01-01T10:20:30.1234567Z", "2000-02-29 12:00:00.5", "1970-01-01",
             "{123e4567-e89b-12d3-a456-426614174000}", "123E4567E89B12D3A456426614174000", "123e4567", "a", "it's"],
    "bool": ["t", "true", "on", "yes", "1", " TRUE ", "y", "f", "false", "off", "no", "0", "n", "o", "maybe", "", "2", None],
}


def with_params(r, sql, share=0.5):
    """The query with some of its literals as parameters, and these: now and then other ones."""
    out, params, before, places = [], [], "", False
    for token in TOKEN.findall(sql):
        word = token.upper()
        if word == "BY":
            places = True  # ORDER BY 1 is a position
        elif token == ")" or word in ("LIMIT", "OFFSET", "HAVING", "WHERE", "UNION", "EXCEPT"):
            places = False
        kind = "text" if token[0] == "'" else "bool" if word in ("TRUE", "FALSE") else "number" if token[0].isdigit() else None
        if not kind or (kind == "number" and places) or before == "IS" or before == "NOT" and kind == "bool" or r.random() > share:
            out.append(token)
        else:
            value = token[1:-1].replace("''", "'") if kind == "text" else token
            signed = kind == "number" and out and out[-1] == "-" and not (len(out) > 1 and re.fullmatch(r"\w+|\)", out[-2]))
            if signed:
                out.pop()
                value = "-" + value
            params.append(value if r.random() < 0.8 else r.choice(HOSTILE[kind]))
            out.append(f"${len(params)}")
        before = before if token.isspace() else word
    return "".join(out), params
