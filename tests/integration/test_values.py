# SPDX-License-Identifier: Apache-2.0
"""lib/wire's values against a real PostgreSQL 15: the same question to both.

build/*/tests/golden/values answers for us, pg_temp.ask() for Postgres; texts must be
equal, errors by SQLSTATE. Every test prints its seed; SLUICE_SEED repeats a run.
"""
import math
import os
import random
import struct
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("SLUICE_SEED", random.SystemRandom().randrange(1 << 32)))
SESSION = (
    "-c timezone=UTC -c datestyle=ISO -c extra_float_digits=1"
    " -c bytea_output=hex -c intervalstyle=postgres"
)
ASK = """
CREATE FUNCTION pg_temp.ask(question text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    EXECUTE 'SELECT (' || question || ')::text' INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    RETURN 'ERROR ' || sqlstate;
END $$
"""


@pytest.fixture(scope="module")
def pg():
    missing = [n for n in ("SLUICE_PG_HOST", "SLUICE_PG_PORT") if n not in os.environ]
    if missing:
        pytest.fail(f"{' and '.join(missing)} must name a running PostgreSQL 15 (user postgres)")
    with psycopg.connect(
        host=os.environ["SLUICE_PG_HOST"],
        port=os.environ["SLUICE_PG_PORT"],
        user="postgres",
        dbname="postgres",
        options=SESSION,
        autocommit=True,
    ) as connection:
        assert connection.info.server_version // 10000 == 15
        connection.execute(ASK)
        yield connection


@pytest.fixture(scope="module")
def tool():
    out = os.environ.get("SLUICE_OUT", "build/gcc")
    path = ROOT / out / "tests/golden/values"
    subprocess.run(["make", "-s", str(path.relative_to(ROOT))], cwd=ROOT, check=True)
    return path


@pytest.fixture
def rng(request):
    print(f"SLUICE_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


def compare(pg, tool, cases, least):
    """cases: (op, type, a, b, question in SQL). Text for text, or the differences."""
    assert len(cases) >= least
    lines = "".join(f"{op}\t{kind}\t{a}\t{b}\n" for op, kind, a, b, _ in cases)
    ours = subprocess.run([tool], input=lines, capture_output=True, text=True, check=True)
    answers = ours.stdout.split("\n")[:-1]
    rows = pg.execute(
        "SELECT pg_temp.ask(q) FROM unnest(%s::text[]) WITH ORDINALITY AS t(q, n) ORDER BY n",
        ([c[4] for c in cases],),
    ).fetchall()
    assert len(answers) == len(rows) == len(cases)
    wrong = [
        f"{c[0]} {c[1]} {c[2][:80]!r} {c[3][:80]!r}: ours {a[:120]!r}, Postgres {r[0][:120]!r}"
        for c, a, r in zip(cases, answers, rows)
        if a != r[0]
    ]
    print(f"{len(cases)} comparisons, {len(wrong)} differences")
    assert not wrong, "\n".join(wrong[:40])


def quote(text):
    return "'" + text.replace("'", "''") + "'"


# --- numeric ---

EDGE_NUMERICS = [
    "0", "-0", "0.00", "1", "-1", "2.5", "-2.5", "0.5", "-0.5", "1.5", "3", "7", "10000", "9999",
    "99999999", "0.0001", "0.00010000", "1e-20", "-1e-20", "1e20", "123456789012345678.123456",
    "32767.4", "32767.5", "-32768.5", "2147483647.4", "2147483647.5", "-2147483648.5",
    "9223372036854775807", "9223372036854775807.5", "-9223372036854775808.5",
    "170141183460469231731687303715884105727", "170141183460469231731687303715884105728",
    "-170141183460469231731687303715884105728", "99999999999999999999999999999999999999",
    "100000000000000000000000000000000000000", "1e100", "-1e-100", "1e1000", "123.456e-7",
    "NaN", "Infinity", "-Infinity",
]  # fmt: skip


def numeric(rng):
    pick = rng.random()
    if pick < 0.15:
        return rng.choice(EDGE_NUMERICS)
    digits = rng.choice([1, 2, 4, 5, 8, 9, 17, 19, 20, 38, 39, 40, 77, 120])
    digits = rng.randint(1, digits)
    text = "".join(rng.choice("0123456789" if rng.random() < 0.8 else "09") for _ in range(digits))
    if rng.random() < 0.7:
        at = rng.randint(0, len(text))
        text = text[:at] + "." + text[at:]
    if rng.random() < 0.1:
        text += f"{rng.choice('eE')}{rng.randint(-60, 60)}"
    return rng.choice(["", "", "-", "+"]) + text


def test_numeric_operators(pg, tool, rng):
    signs = {"add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%"}
    cases = []
    for _ in range(5000):
        op, a, b = rng.choice(list(signs)), numeric(rng), numeric(rng)
        question = f"{quote(a)}::numeric {signs[op]} {quote(b)}::numeric"
        cases.append((op, "numeric", a, b, question))
    compare(pg, tool, cases, 5000)


def test_numeric_edges_meet_each_other(pg, tool, rng):
    signs = {"add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%"}
    cases = [
        (op, "numeric", a, b, f"{quote(a)}::numeric {sign} {quote(b)}::numeric")
        for op, sign in signs.items()
        for a in EDGE_NUMERICS
        for b in EDGE_NUMERICS
    ]
    compare(pg, tool, cases, 5000)


def test_numeric_functions(pg, tool, rng):
    cases = []
    for _ in range(4000):
        op = rng.choice(["neg", "abs", "sign", "ceil", "floor", "round", "trunc", "cmp", "text"])
        a, b = numeric(rng), ""
        value = f"{quote(a)}::numeric"
        if op in ("round", "trunc"):
            b = str(rng.choice([0, 1, 2, 3, -1, -2, -5, 20, 45, 3000, -3000, 20000, -200000]))
            question = f"{op}({value}, {b})"
        elif op == "cmp":
            b = rng.choice([a, numeric(rng)])
            question = f"numeric_cmp({value}, {quote(b)}::numeric)"
        else:
            question = {"neg": f"-({value})", "text": value}.get(op, f"{op}({value})")
        cases.append((op, "numeric", a, b, question))
    compare(pg, tool, cases, 4000)


def test_numeric_casts(pg, tool, rng):
    cases = []
    for _ in range(4000):
        op, a = rng.choice(["int2", "int4", "int8", "typmod", "float8", "float4"]), numeric(rng)
        value = f"{quote(a)}::numeric"
        if op == "typmod":
            precision, scale = rng.choice([(18, 3), (18, 2), (5, 2), (3, 5), (4, -2), (1000, 100)])
            typmod = (precision << 16 | (scale & 0x7FF)) + 4
            cases.append((op, "numeric", a, str(typmod), f"{value}::numeric({precision},{scale})"))
        elif op in ("float8", "float4"):
            kind = {"float8": "double precision", "float4": "real"}[op]
            cases.append(("float", kind, a, "", f"{value}::{op}"))
        else:
            cases.append((op, "numeric", a, "", f"{value}::{op}"))
    compare(pg, tool, cases, 4000)


def test_numeric_texts(pg, tool, rng):
    texts = [
        "", " ", ".", "-", "+", "1.", ".5", "-.5", "1..2", "1.2.3", " 12 ", "\r1", "1 2", "e5", "1e", "1e+",
        "1e 5", "1e5 ", "1e5x", "0x10", "1_000", "nan", "NAN", "-NaN", "inf", "+inf", "-INF", "infinit",
        "Infinityx", "1e131071", "1e131072", "0e131072", "1e-16383", "1e-16384", "0e-16384", "1e1073741823",
        "1e999999999999999999999", "1e-999999999999999999999", "0.5e-16382", "9e131071", "00000000000000000000000000000000000000000000",
        "0" * 60 + "1.50", "1" + "0" * 131071, "1" + "0" * 131072, "0." + "1" * 16383, "0." + "1" * 16384,
    ]  # fmt: skip
    cases = [("text", "numeric", t, "", f"{quote(t)}::numeric") for t in texts]
    for _ in range(1000):
        text = "".join(rng.choice("0123456789.eE+- x") for _ in range(rng.randint(1, 8)))
        cases.append(("text", "numeric", text, "", f"{quote(text)}::numeric"))
    compare(pg, tool, cases, 1000)


def test_numeric_at_the_limits(pg, tool, rng):
    big, tiny = "9" * 131072, "0." + "0" * 16382 + "7"
    pairs = [(big, "1"), (big, "-1"), (big, big), (tiny, tiny), (big, tiny), ("1", big), ("1e70000", "1e70000")]
    signs = {"add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%"}
    cases = []
    for a, b in pairs:
        for op, sign in signs.items():
            if op in ("div", "mod") and len(a) + len(b) > 150000:
                continue
            cases.append((op, "numeric", a, b, f"{quote(a)}::numeric {sign} {quote(b)}::numeric"))
    cases.append(("round", "numeric", big, "-3", f"round({quote(big)}::numeric, -3)"))
    compare(pg, tool, cases, 30)


# --- floats ---


def double(rng):
    pick = rng.random()
    if pick < 0.4:
        return struct.unpack("<d", rng.randbytes(8))[0]
    if pick < 0.5:
        return rng.choice([1, -1]) * 2.0 ** rng.randint(-1074, 1023)
    if pick < 0.6:
        return rng.choice([1, -1]) * 10.0 ** rng.randint(-320, 308)
    if pick < 0.8:
        return round(rng.uniform(-1e6, 1e6), rng.randint(0, 8))
    if pick < 0.9:
        return float(rng.randint(-(1 << 60), 1 << 60))
    return rng.uniform(-1, 1) * 10.0 ** rng.randint(-8, 18)


def single(rng):
    value = rng.choice([double(rng), struct.unpack("<f", rng.randbytes(4))[0]])
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return 3.4028234663852886e38


def as_text(value):
    return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN" if value != value else repr(value))


def test_floats(pg, tool, rng):
    special = [0.0, -0.0, math.nan, math.inf, -math.inf, 1e15, 1e14, 1e-4, 1e-5, 1e23, 5e-324, 2**53 + 1.0, 100000.0]
    cases = []
    for i in range(6000):
        name, kind = ("float8", "double precision") if i % 2 else ("float4", "real")
        value = special[i // 2] if i // 2 < len(special) else double(rng) if i % 2 else single(rng)
        text = as_text(value)
        op = rng.choice(["text", "text", "record", "numeric", "cmp"])
        question, b = f"{quote(text)}::{name}", ""
        if op == "numeric":
            question += "::numeric"
        elif op == "cmp":
            b = rng.choice([text, as_text(single(rng)), "NaN", "0"])
            question = f"bt{name}cmp({question}, {quote(b)}::{name})"
        cases.append((op, kind, text, b, question))
    compare(pg, tool, cases, 6000)


def test_float_texts(pg, tool, rng):
    texts = [
        "", " ", "1e400", "-1e400", "1e-400", "1e39", "1e-46", "3.4028236e38", " 1.5 ", "1.5x", "nan", "-inf", "INFINITY",
        "inf", "+Infinity", "1e", "e1", "1.", ".5", ".", "--1", "0x1p3", "1 2", "4.9e-324", "2.4e-324", "1.4e-45",
    ]  # fmt: skip
    kinds = [("float8", "double precision"), ("float4", "real")]
    cases = [("text", kind, t, "", f"{quote(t)}::{name}") for t in texts for name, kind in kinds]
    compare(pg, tool, cases, 50)


# --- dates and times ---


def stamp(rng):
    year = rng.choice([rng.randint(1970, 2037), rng.randint(1, 9999), rng.randint(10000, 294246), rng.randint(1, 4713)])
    bc = year <= 4713 and rng.random() < 0.2
    text = f"{year:04d}-{rng.randint(1, 12):02d}-{rng.randint(1, 31):02d}"
    if rng.random() < 0.9:
        text += f"{rng.choice([' ', ' ', 'T'])}{rng.randint(0, 24):02d}:{rng.choice([0, 59, 60, 30]):02d}"
        text += f":{rng.choice([0, 59, 60, 7]):02d}"
        if rng.random() < 0.7:
            text += "." + "".join(rng.choice("0123456789") for _ in range(rng.choice([1, 2, 3, 6, 6, 7, 9])))
        if rng.random() < 0.6:
            zone = rng.choice(["Z", "+00", "+01", "-08", "+05:30", "+0530", "-12:34:56", "+15:59", "+16", "UTC"])
            text += rng.choice(["", "", " "]) + zone
    return text + (" BC" if bc else "")


STAMPS = {
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "date": "date",
    "time": "time without time zone",
}


def test_timestamps(pg, tool, rng):
    cases = []
    for _ in range(6000):
        name = rng.choice(["timestamptz", "timestamptz", "timestamp", "date", "time"])
        text, op, b = stamp(rng), rng.choice(["text", "record"]), ""
        question = f"{quote(text)}::{name}"
        if name != "date" and rng.random() < 0.3:
            op, b = "precision", str(rng.randint(0, 6))
            question += f"::{name}({b})"
        cases.append((op, STAMPS[name], text, b, question))
    compare(pg, tool, cases, 6000)


def test_timestamp_edges(pg, tool, rng):
    texts = [
        "infinity", "-infinity", "INFINITY", "epoch", "", "x", "2026-13-01", "2026-00-10", "2026-02-29", "2024-02-29", "1900-02-29",
        "2000-02-29", "0000-01-01", "0001-01-01 BC", "4714-11-24 BC", "4714-11-23 BC", "4714-11-24 00:00:00+00 BC", "4714-11-24 00:00:00+01 BC",
        "294247-01-01", "5874897-12-31", "5874898-01-01", "2026-11-21 24:00:00", "2026-11-21 24:00:01", "2026-12-31 23:59:60",
        "2026-11-21 23:59:59.9999999", "23:59:59.9999999", "24:00:00", "24:00:00.1", "12:34", "1:2:3", "2026-1-2 3:04", "2026-11-21Z",
        "2026-11-21T08:48:36.637801Z", "2026-11-21 08:48:36 +0100", "2026-11-21 08:48", "2026-11-21 08:48:36 BC", "2026-11-21 BC x",
    ]  # fmt: skip
    cases = []
    for text in texts:
        for name, kind in STAMPS.items():
            if name == "time" and text in ("infinity", "-infinity", "INFINITY", "epoch"):
                continue  # words that only dates have, refused by both with other codes
            if text.startswith("294247") and name != "date":
                continue  # beyond microseconds since 1970 in 64 bits: timestamp.h
            cases.append(("text", kind, text, "", f"{quote(text)}::{name}"))
    compare(pg, tool, cases, 120)


def test_record_timestamps(pg, tool, rng):
    cases = []
    for _ in range(1000):
        us = rng.randint(-62135596800000000, 253402300799999999)
        origin = pg_stamp(us)
        day, time = (f"to_char({quote(origin)}::timestamptz, '{form}')" for form in ("YYYY-MM-DD", "HH24:MI:SS.US"))
        question = f"'\"' || {day} || 'T' || {time} || 'Z\"'"
        cases.append(("json", STAMPS["timestamptz"], origin, "", question))
    compare(pg, tool, cases, 1000)


def pg_stamp(us):
    return (datetime(1970, 1, 1) + timedelta(microseconds=us)).isoformat(sep=" ") + "+00"


def test_intervals(pg, tool, rng):
    names = ["year", "years", "mon", "months", "week", "day", "days", "hours", "h", "min", "m", "sec", "s", "ms", "us", "decade", "century"]
    cases = []
    for _ in range(2000):
        parts = []
        for _ in range(rng.randint(1, 4)):
            value = str(rng.randint(-1000, 1000))
            if rng.random() < 0.3:
                value += "." + str(rng.randint(0, 999))
            parts.append(f"{value} {rng.choice(names)}" if rng.random() < 0.9 else f"{value}{rng.choice(names)}")
        if rng.random() < 0.3:
            parts.append(f"{rng.choice(['', '-', '+'])}{rng.randint(0, 99)}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}.{rng.randint(0, 999999):06d}")
        text = " ".join(parts) + rng.choice(["", "", "", " ago"])
        cases.append(("text", "interval", text, "", f"{quote(text)}::interval"))
    for text in ["P1Y2M3DT4H5M6.78S", "PT1.5H", "P-1Y", "P1W", "", "1", "1 x", "1 12:00", "@ 1 day", "1.5 mon", "PT", "P", "-1 day +02:03:00", "00:00:00"]:
        cases.append(("text", "interval", text, "", f"{quote(text)}::interval"))
    compare(pg, tool, cases, 1000)


# --- the rest ---


def test_scalars(pg, tool, rng):
    cases = []
    for _ in range(1500):
        name = rng.choice(["int2", "int4", "int8"])
        kind = {"int2": "smallint", "int4": "integer", "int8": "bigint"}[name]
        limit = 1 << rng.choice([3, 15, 31, 63, 64])
        text = str(rng.choice([limit, -limit]) + rng.randint(-2, 2))
        text = rng.choice([text, text, text, f" {text} ", f"+{text}", text + "x", "", "-", "1.0", "1e2"])
        cases.append(("text", kind, text, "", f"{quote(text)}::{name}"))
    for _ in range(500):
        text = rng.randbytes(16).hex()
        form = rng.randint(0, 5)
        if form < 3:
            text = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        text = [text, text.upper(), "{" + text + "}", text, text[:-1], "{" + text][form]
        if rng.random() < 0.1:
            text = text[:5] + rng.choice("gG-{ ") + text[6:]
        cases.append(("record", "uuid", text, "", f"{quote(text)}::uuid"))
    for _ in range(500):
        text = "\\x" + rng.randbytes(rng.randint(0, 20)).hex()
        text = rng.choice([text, text, text.upper().replace("X", "x"), text + "0", text + "g0", "a\\\\b", "\\001\\377", "\\400", "\\"])
        cases.append(("record", "bytea", text, "", f"E{quote(text.replace(chr(92), chr(92) * 2))}::bytea"))
    for text in ["t", "TRUE", "tr", "yes", "of", "o", "on", "1", "0", "2", "", " f ", "nope", "n"]:
        question = f"CASE WHEN {quote(text)}::boolean THEN 't' ELSE 'f' END"
        cases.append(("record", "boolean", text, "", question))
    compare(pg, tool, cases, 2500)


def test_arrays(pg, tool, rng):
    element = {
        "integer": lambda: str(rng.randint(-5, 5)),
        "text": lambda: '"' + "".join(rng.choice("ab ,{}'é") for _ in range(rng.randint(0, 6))) + '\\"\\\\"',
        "numeric": lambda: rng.choice(["1.50", "NaN", "-Infinity", "1" * 50]),
        "boolean": lambda: rng.choice("tf"),
        "double precision": lambda: as_text(double(rng)),
        "timestamp with time zone": lambda: '"2026-11-21 08:48:36.5+00"',
        "uuid": lambda: "0b6cf1b5-7a0e-4a31-9a3e-1c7a0f1d2e3f",
        "bytea": lambda: '"\\\\x00ff"',
    }
    cases = []
    for _ in range(1000):
        kind = rng.choice(list(element))
        one = [element[kind](), "NULL", "null"]
        width = rng.randint(1, 3)
        rows = ["{" + ",".join(rng.choice(one) for _ in range(width)) + "}" for _ in range(rng.randint(1, 3))]
        text = rng.choice([rows[0], rows[0], "{" + " , ".join(rows) + "}", "{}"])
        cases.append(("record", kind + "[]", text, "", f"{quote(text)}::{kind}[]"))
    for text in ["", "{", "{1", "{1,}", "{,1}", "{1}x", "1", "{1 2}", "{{1},{2}}", "{{{{{{1}}}}}}", "{{{{{{{1}}}}}}}", '{"1}']:
        cases.append(("text", "integer[]", text, "", f"{quote(text)}::integer[]"))
    compare(pg, tool, cases, 1000)


def test_type_names(pg, tool, rng):
    named = [16, 20, 21, 23, 25, 19, 700, 701, 1043, 1042, 2950, 1082, 1083, 1114, 1184, 1186, 114, 3802, 17, 869, 650, 829]
    arrays = [row[0] for row in pg.execute("SELECT typarray::int FROM pg_type WHERE oid = ANY(%s)", (named,))]
    pairs = [(oid, -1) for oid in named + arrays + [1700, 1231]]
    for precision, scale in [(18, 3), (5, -2), (2, 4), (1000, 1000)]:
        pairs += [(1700, (precision << 16 | (scale & 0x7FF)) + 4), (1231, (precision << 16 | (scale & 0x7FF)) + 4)]
    pairs += [(1043, 14), (1015, 14), (1042, 7), (1114, 3), (1184, 0), (1185, 6), (1083, 2)]
    cases = [("type", "", str(o), str(t), f"format_type({o}, {t})") for o, t in pairs]
    compare(pg, tool, cases, 60)
