# SPDX-License-Identifier: Apache-2.0
"""The router's DuckDB driver: libduckdb.so in the process, Parquet files written and read beside
it by DuckDB's own Python package."""
import os
import pathlib
import subprocess

import duckdb
import pytest

from engine_asker import ASK, asker, registry

MANY = 1_000_000
LONG = "SELECT count(*) FROM range(100000) a, range(100000) b WHERE (a.range * b.range) % 7 = 3"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("duckdb")
    with duckdb.connect() as db:
        db.execute(f"COPY (SELECT i AS id, 'name ' || i AS name, i * 1.5::DOUBLE AS v, CASE WHEN i % 3 > 0 THEN i END AS n "
                   f"FROM range({MANY}) t(i)) TO '{path}/many.parquet'")
        db.execute(f"COPY (SELECT 8 AS a) TO '{path}/it''s 1.parquet'")
    with duckdb.connect(path / "file.duckdb") as db:
        db.execute("CREATE TABLE t AS SELECT 42 AS answer")
    (path / "outside.csv").write_text("a,b\n1,2\n")
    return path


def duckdb_engine(files, **more):
    return {"kind": "duckdb", "library": os.environ["SLUICE_DUCKDB"], "files": {name: str(file) for name, file in files.items()}, **more}


@pytest.fixture(scope="module")
def duck(folder):
    files = {"many": folder / "many.parquet", "odd": folder / "it's 1.parquet", "rev": os.environ["SLUICE_REV"]}
    with asker(folder, duckdb_engine(files, database=str(folder / "file.duckdb")), place="many") as a:
        yield a


@pytest.mark.parametrize("sql,text", [
    ("true", "t"), ("false", "f"), ("NULL", None), ("''", ""), ("'a\\b''c'", "a\\b'c"), ("'ü€😀'", "ü€😀"), ("-7::TINYINT", "-7"),
    ("9223372036854775807::BIGINT", "9223372036854775807"), ("(-9223372036854775808)::BIGINT", "-9223372036854775808"),
    ("18446744073709551615::UBIGINT", "18446744073709551615"), ("(-5)::HUGEINT", "-5"),
    ("170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727"),
    ("1.50::DECIMAL(4, 2)", "1.50"), ("(-0.05)::DECIMAL(9, 2)", "-0.05"), ("12345678901234567.890::DECIMAL(20, 3)", "12345678901234567.890"),
    ("99999999999999999999999999999999999.999::DECIMAL(38, 3)", "99999999999999999999999999999999999.999"),
    ("1e15::DOUBLE", "1e+15"), ("100000::DOUBLE", "100000"), ("0.1::FLOAT", "0.1"), ("'nan'::DOUBLE", "NaN"), ("'-inf'::DOUBLE", "-Infinity"),
    ("DATE '0001-01-01'", "0001-01-01"), ("DATE '-0001-03-04'", "0002-03-04 BC"), ("'infinity'::DATE", "infinity"),
    ("TIMESTAMP '1969-12-31 23:59:59.999999'", "1969-12-31 23:59:59.999999"), ("TIMESTAMP '2026-01-02 03:04:05.5'", "2026-01-02 03:04:05.5"),
    ("'-infinity'::TIMESTAMP", "-infinity"), ("TIMESTAMP_NS '2026-01-02 03:04:05.123456789'", "2026-01-02 03:04:05.123456"),
    ("TIMESTAMP_S '2026-01-02 03:04:05'", "2026-01-02 03:04:05"), ("TIMESTAMP_MS '1960-01-02 03:04:05.25'", "1960-01-02 03:04:05.25"),
    ("TIMESTAMPTZ '2026-01-02 03:04:05+02'", "2026-01-02 01:04:05+00"), ("TIME '23:59:59.000001'", "23:59:59.000001"),
    ("INTERVAL '14 months 3 days 4 seconds'", "1 year 2 mons 3 days 00:00:04"), ("'\\xDE\\xAD'::BLOB", "\\xdead"),
    ("'123E4567-e89b-12d3-a456-426614174000'::UUID", "123e4567-e89b-12d3-a456-426614174000"),
    ("'ffffffff-ffff-ffff-ffff-ffffffffffff'::UUID", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ("'b'::ENUM('a', 'b')", "b"), ("[1, NULL, 3]", "{1,NULL,3}"), ("['', 'null', 'a b', 'q\"\\', 'x,y', 'plain']", '{"","null","a b","q\\"\\\\","x,y",plain}'),
    ("[]::INTEGER[]", "{}"),
])
def test_a_value_as_postgres_prints_it(duck, sql, text):
    assert duck.rows(f"SELECT {sql} AS v, {sql} AS w") == [[text, text]]


def test_columns_and_empty_answers(duck):
    answer = duck.ask("SELECT id, name, v, 1.5::DECIMAL(5, 1) AS d FROM many WHERE id < 0")
    assert answer["columns"] == [["id", 20], ["name", 25], ["v", 701], ["d", 1700]] and answer["rows"] == []
    assert duck.ask("SELECT 1, 2", types=[23])["code"] == "42P16"
    assert duck.ask("SELECT {'a': 1}")["code"] == "0A000"  # a struct


def test_a_million_rows_pass_a_slow_reader_in_bounded_memory(duck):
    answer = duck.ask("SELECT * FROM many", quiet=True, pause_every=50_000, pause_ms=20)
    assert answer["fate"] == "done" and answer["count"] == MANY
    assert duck.peak_mb() < 256, duck.peak_mb()
    assert answer["cpu_s"] > 0


def test_rows_equal_what_the_python_package_reads(duck, folder):
    sql = "SELECT id, name, n FROM many WHERE id % 997 = 5 ORDER BY id"
    with duckdb.connect() as db:
        expected = db.execute(sql.replace("many", f"'{folder}/many.parquet'")).fetchall()
    assert duck.rows(sql) == [[None if v is None else str(v) for v in row] for row in expected]
    with duckdb.connect() as db:
        expected = db.execute(f"SELECT region, sum(amount), sum(orders) FROM '{os.environ['SLUICE_REV']}' GROUP BY 1 ORDER BY 1").fetchall()
    assert duck.rows("SELECT region, sum(amount), sum(orders) FROM rev GROUP BY 1 ORDER BY 1") == [[str(v) for v in row] for row in expected]


@pytest.mark.parametrize("how", [{"cancel_ms": 300}, {"deadline_ms": 300}])
def test_a_long_statement_is_interrupted(duck, how):
    answer = duck.ask(LONG, **how)
    assert (answer["fate"], answer["code"]) == ("retry", "57014") and answer["elapsed_us"] < 10_000_000
    assert answer.get("ended_ms", 0) < 2_000
    assert duck.rows("SELECT 1") == [["1"]] and not duck.state()["breaker_open"]


def test_cancel_in_mid_answer_and_while_paused(duck):
    answer = duck.ask("SELECT * FROM many", quiet=True, cancel_after=5_000)
    assert (answer["count"], answer["code"]) == (5_000, "57014") and answer["ended_ms"] < 2_000
    answer = duck.ask("SELECT * FROM many", quiet=True, pause_every=10, pause_ms=60_000, cancel_ms=200)
    assert (answer["count"], answer["code"]) == (10, "57014") and answer["ended_ms"] < 2_000
    assert duck.ask("SELECT * FROM many", quiet=True)["count"] == MANY


@pytest.mark.parametrize("sql,code", [
    ("SELECT 1; SELECT 2", "42601"), ("SELECT FORM", "42000"), ("SELECT (", "42601"), ("", "42601"), ("-- nothing", "42601"),
    ("PIVOT many ON name", "42601"), ("SELECT * FROM nowhere", "42P01"), ("SELECT CAST('x' AS INTEGER)", "22P02"),
    ("SELECT 9223372036854775807::BIGINT + 1", "22003"), ("SELECT error('boom')", "22023"),
    ("CREATE TABLE x (a INTEGER)", "25006"), ("INSERT INTO many VALUES (1)", "42P01"), ("DROP VIEW many", "25006"), ("SET threads = 1", "25006"),
    ("PRAGMA enable_profiling", "25006"), ("COPY (SELECT 1) TO '{folder}/out.csv'", "42501"), ("COPY (SELECT 1) TO '{folder}/many.parquet'", "25006"),
    ("ATTACH ':memory:' AS other", "25006"), ("INSTALL httpfs", "25006"), ("LOAD httpfs", "25006"), ("CALL duckdb_settings()", "25006"),
    ("CHECKPOINT", "25006"), ("EXPORT DATABASE '{folder}/x'", "42501"), ("EXPLAIN ANALYZE SELECT 1", "25006"), ("BEGIN", "25006"),
    ("INSERT INTO db.t VALUES (1)", "25006"), ("SELECT * FROM read_csv('{folder}/outside.csv')", "42501"),
    ("SELECT * FROM '{folder}/outside.csv'", "42501"), ("SELECT content FROM read_text('/etc/hostname')", "42501"),
    ("SELECT * FROM glob('/etc/*')", "42501"), ("SELECT getenv('HOME')", "42P01"), ("SELECT * FROM 's3://bucket/key.parquet'", "42501"),
    ("SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')", "42501"),
])
def test_refused_and_nothing_happens(duck, folder, sql, code):
    before = sorted(p.name for p in folder.iterdir())
    answer = duck.ask(sql.format(folder=folder))
    assert answer["fate"] in ("reject", "halt") and answer["code"] == code, answer
    assert "\n" not in answer["what"]
    assert sorted(p.name for p in folder.iterdir()) == before
    assert duck.rows("SELECT count(*), max(answer) FROM many, db.t") == [[str(MANY), "42"]]


def test_the_session_itself_is_shut(duck, folder):
    """Whatever SQL reached it, DuckDB reads the files of the registry and no other."""
    settings = dict(duck.rows("SELECT name, value FROM duckdb_settings()"))
    shut = {"enable_external_access": "false", "lock_configuration": "true", "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false", "allow_community_extensions": "false", "allow_unsigned_extensions": "false",
            "temp_directory": "", "allowed_directories": "[]"}
    assert {name: settings[name] for name in shut} == shut
    allowed = [str(folder / "many.parquet"), str(folder / "it's 1.parquet"), os.environ["SLUICE_REV"]]
    told = {path for path, in duck.rows("SELECT unnest(current_setting('allowed_paths'))")}
    assert {path for path in told if not path.startswith(f"{folder}/file.duckdb")} == set(allowed)
    assert duck.rows("SELECT database_name, readonly FROM duckdb_databases() WHERE NOT internal ORDER BY 1") == [["db", "t"], ["memory", "f"]]


@pytest.fixture(scope="module")
def elsewhere(folder):
    """Files that a statement could ask for: under names that look allowed, too."""
    with duckdb.connect() as db:
        db.execute(f"COPY (SELECT 'hidden' AS a) TO '{folder}/other.parquet'")
    with duckdb.connect(folder / "other.duckdb") as db:
        db.execute("CREATE TABLE t AS SELECT 'hidden' AS a")
    (folder / "hidden.json").write_text('{"a": "hidden"}')
    (folder / "link.parquet").symlink_to(folder / "other.parquet")
    (folder / "down").mkdir()
    (folder / "down/many.parquet").symlink_to(folder / "other.parquet")
    return folder


@pytest.mark.parametrize("sql", [
    *[f"SELECT * FROM read_parquet('{path}')" for path in (
        "{folder}/other.parquet", "{folder}/link.parquet", "{folder}/down/many.parquet", "{folder}/many.parquet/../other.parquet",
        "{folder}/./down/../other.parquet", "{folder}/*.parquet", "{folder}/o?her.parquet", "{folder}/[o]ther.parquet", "file://{folder}/other.parquet",
        "file:{folder}/other.parquet", "other.parquet", "/proc/self/cwd/other.parquet", "{folder}/many.parquet,{folder}/other.parquet", "hf://datasets/x/y",
        "s3://b/k.parquet", "https://127.0.0.1:1/x.parquet", "ftp://127.0.0.1/x", "\\\\host\\share\\x.parquet", "/dev/stdin", "/proc/self/fd/0")],
    "SELECT * FROM read_parquet(['{folder}/many.parquet', '{folder}/other.parquet'])", "SELECT * FROM '{folder}/other.parquet'",
    "SELECT * FROM \"{folder}/other.parquet\"", "SELECT * FROM \"{folder}/other.duckdb\".t", "SELECT * FROM parquet_metadata('{folder}/other.parquet')",
    "SELECT * FROM parquet_schema('{folder}/other.parquet')", "SELECT * FROM read_blob('{folder}/other.parquet')", "SELECT * FROM read_text('{folder}/hidden.json')",
    "SELECT * FROM read_json('{folder}/hidden.json')", "SELECT * FROM read_ndjson('{folder}/hidden.json')", "SELECT * FROM read_csv_auto('{folder}/outside.csv')",
    "SELECT * FROM sniff_csv('{folder}/outside.csv')", "SELECT * FROM read_duckdb('{folder}/other.duckdb')", "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM query('SELECT * FROM read_text(''{folder}/hidden.json'')')", "SELECT * FROM query_table('{folder}/other.parquet')",
    "SELECT * FROM sqlite_scan('{folder}/x', 't')", "SELECT * FROM postgres_scan('host=127.0.0.1', 's', 't')", "SELECT * FROM iceberg_scan('{folder}')",
    "SELECT content FROM read_text('/proc/self/environ')", "SELECT getenv('PATH')", "SELECT * FROM which_secret('s3://b', 's3')",
    "ATTACH '{folder}/other.duckdb' AS o", "ATTACH '{folder}/other.duckdb' AS o (READ_ONLY)", "DETACH db", "USE db", "SET enable_external_access = true",
    "RESET allowed_paths", "SET allowed_directories = ['/']", "SET GLOBAL memory_limit = '1TB'", "PRAGMA memory_limit = '1TB'", "SET SESSION threads = 64",
    "CREATE SECRET (TYPE s3)", "CREATE VIEW v AS SELECT 1", "CREATE OR REPLACE TEMP VIEW many AS SELECT 1 AS id", "CREATE MACRO f() AS 1", "CREATE TABLE db.u (a INT)",
    "CREATE FUNCTION f() AS TABLE SELECT 1", "CALL pragma_database_list()", "PREPARE p AS SELECT 1", "EXECUTE p", "COPY many TO '/dev/stdout'", "COPY db.t FROM '/dev/stdin'",
    "EXPORT DATABASE '{folder}/down'", "IMPORT DATABASE '{folder}/down'", "INSTALL httpfs FROM 'http://127.0.0.1:1'", "FORCE CHECKPOINT db", "VACUUM", "ANALYZE",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/x.csv'", "EXPLAIN (ANALYZE) SELECT 1", "UPDATE db.t SET answer = 1", "DELETE FROM db.t", "TRUNCATE db.t", "DROP VIEW many"])
def test_no_other_file_is_reached(duck, elsewhere, sql):
    before = sorted(p.name for p in elsewhere.rglob("*"))
    answer = duck.ask(sql.format(folder=elsewhere))
    assert answer["fate"] != "done" and "hidden" not in answer["what"].replace("hidden.json", ""), answer
    assert sorted(p.name for p in elsewhere.rglob("*")) == before
    assert duck.rows("SELECT count(*), max(answer) FROM many, db.t") == [[str(MANY), "42"]]


def test_hostile_texts(duck):
    texts = ["it's", "x\\", "\\'", "'; DROP VIEW many; --", "$1", "ü\u0001\t\n", "", "{}", 'q"q', "日本"] + [chr(c) for c in range(1, 128)]
    for text in texts:
        quoted = "'" + text.replace("'", "''") + "'"
        assert duck.rows(f"SELECT {quoted}, length({quoted}) AS n") == [[text, str(len(text))]]
    assert duck.rows("SELECT a FROM odd") == [["8"]]


def test_what_is_not_there_stops_at_open(folder):
    for path, library, word in ((folder / "none.parquet", os.environ["SLUICE_DUCKDB"], "none.parquet"),
                                (folder / "man?.parquet", os.environ["SLUICE_DUCKDB"], "pattern"),
                                (folder / "many.parquet", "/nowhere/libduckdb.so", "/nowhere/")):
        file = registry(folder, duckdb_engine({"many": path}, library=library), "many")
        done = subprocess.run([ASK, file, "duckdb"], input="", capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and word in done.stderr, done.stderr


def test_a_file_that_went_away_is_told_and_comes_back(folder):
    path = pathlib.Path(folder / "going.parquet")
    with duckdb.connect() as db:
        db.execute(f"COPY (SELECT 5 AS id) TO '{path}'")
    with asker(folder, duckdb_engine({"many": path}), place="many") as a:
        assert a.rows("SELECT id FROM many") == [["5"]]
        path.rename(folder / "gone")
        answer = a.ask("SELECT id FROM many")
        assert answer["fate"] in ("retry", "halt") and "going.parquet" in answer["what"], answer
        (folder / "gone").rename(path)
        assert a.rows("SELECT id FROM many") == [["5"]]
