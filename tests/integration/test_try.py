# SPDX-License-Identifier: Apache-2.0
"""sluicectl try and decode with types and dimensions from the live Postgres: what comes
out of an event is the query's row."""
import json
import os
import pathlib
import subprocess

import psycopg
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CTL = ROOT / "build/bin/sluicectl"
CONTENT, USER = "0b0e6a5e-0000-4000-8000-00000000aa01", "5c0ffee0-0000-4000-8000-000000000001"
PLACEHOLDER = "__debezium_unavailable_value"


def connect(name):
    return psycopg.connect(host=os.environ["SLUICE_PG_HOST"], port=os.environ["SLUICE_PG_PORT"], user="postgres",
                           dbname=name, autocommit=True)


@pytest.fixture(scope="module")
def pg():
    with connect("postgres") as admin:
        admin.execute("DROP DATABASE IF EXISTS sluice_try WITH (FORCE)")
        admin.execute("CREATE DATABASE sluice_try TEMPLATE template0 LOCALE 'C.UTF-8'")
        with connect("sluice_try") as conn:
            subprocess.run(["psql", "-q", "-h", os.environ["SLUICE_PG_HOST"], "-p", os.environ["SLUICE_PG_PORT"], "-U", "postgres",
                            "-f", ROOT / "sql/postgres/engagement.sql", "sluice_try"], check=True, timeout=60, stdout=subprocess.DEVNULL)
            conn.execute("INSERT INTO content VALUES (%s, 'try', 'Try', 'video', 300, '2025-01-01')", (CONTENT,))
            for key in (901, 902):
                conn.execute("""INSERT INTO engagement_events (id, content_id, user_id, event_type, event_ts, duration_ms, raw_payload)
                             VALUES (%s, %s, %s, 'finish', '2025-11-21 07:26:40.5+00', 123456, '{"kept": "in the table"}')""",
                             (key, CONTENT, USER))
            yield conn
        admin.execute("DROP DATABASE sluice_try WITH (FORCE)")


def ctl(*words, events=()):
    env = os.environ | {"SLUICE_PG_DB": "sluice_try", "SLUICE_PG_USER": "postgres"}
    done = subprocess.run([CTL, *words], input="".join(e + "\n" for e in events), capture_output=True, text=True, env=env,
                          timeout=60)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def event(key, **changed):
    after = {"id": key, "content_id": CONTENT, "user_id": USER, "event_type": "finish", "event_ts": "2025-11-21T07:26:40.500000Z",
             "duration_ms": 123456, "device": None, "raw_payload": PLACEHOLDER} | changed
    source = {"schema": "public", "table": "engagement_events", "lsn": 1000 + key, "txId": 5, "ts_ms": 1763710000000}
    return json.dumps({"op": "u", "before": None, "after": after, "source": source})


def test_events_become_the_query_s_rows(pg):
    """One with an unchanged TOAST value, one cut off, one of an unknown content, one whose row is gone."""
    events = [event(901), event(902)[:60], event(903, content_id=USER, raw_payload=None), event(904)]
    code, lines, words = ctl("try", "pipelines/engagement.yaml", events=events)
    assert code == 0, words
    row = pg.execute("SELECT to_jsonb(e) FROM enriched_events e WHERE id = 901").fetchone()[0]
    got = lines[0]["value"]
    assert got["raw_payload"] == '{"kept": "in the table"}'
    assert {k: v for k, v in got.items() if k not in ("event_ts", "raw_payload")} == {
        k: v for k, v in row.items() if k not in ("event_ts", "raw_payload")}
    assert lines[1]["error"]["stage"] == "decode"
    assert lines[2]["value"]["content_type"] is None and lines[2]["value"]["engagement_pct"] is None
    assert lines[3]["value"] is None and lines[3]["headers"]["sluice.op"] == "d"
    assert len(lines) == 4


def test_decode_takes_types_from_postgres(pg):
    code, lines, words = ctl("decode", "--pipeline", "pipelines/engagement.yaml", events=[event(901)])
    assert code == 0, words
    assert lines[0]["after"]["event_ts"] == "2025-11-21 07:26:40.5+00" and lines[0]["unset"] == ["raw_payload"]
    assert "typed" not in lines[0]
    code, lines, words = ctl("decode", events=[event(901)])
    assert code == 0 and lines[0]["typed"] is False and lines[0]["after"]["event_ts"] == "2025-11-21T07:26:40.500000Z"


def test_select_lists():
    assert ctl("try", "--sql", "SELECT round(2.5) AS a, 'x' AS b")[:2] == (0, [{"a": 3, "b": "x"}])
    code, lines, _ = ctl("try", "--sql", "SELECT 1/0 AS a")
    assert code == 1 and lines[0]["error"]["class"] == "22012"
    code, lines, words = ctl("try", "--sql", "SELECT random()")
    assert code == 2 and not lines and "1:8:" in words
    assert ctl("try")[0] == 2


def check():
    env = os.environ | {"SLUICE_PG_DB": "sluice_try", "SLUICE_PG_USER": "postgres"}
    done = subprocess.run([ROOT / "build/bin/sluice-enrich", "--pipeline", "pipelines/engagement.yaml", "--check"],
                          capture_output=True, text=True, env=env, timeout=60)
    return done.returncode, done.stderr


def test_check_refuses_what_cannot_be_exact(pg):
    """Each with its place and what mends it."""
    assert check()[0] == 0, check()
    pg.execute("ALTER TABLE engagement_events REPLICA IDENTITY DEFAULT")
    code, words = check()
    assert code == 2 and "engagement.sql:4:" in words and "event_ts is outside the replica identity" in words
    assert "ALTER TABLE public.engagement_events REPLICA IDENTITY FULL" in words
    pg.execute("ALTER TABLE engagement_events REPLICA IDENTITY FULL")
    pg.execute("ALTER TABLE engagement_events DROP CONSTRAINT engagement_events_pkey, ADD PRIMARY KEY (id) DEFERRABLE")
    code, words = check()
    assert code == 2 and "public.engagement_events" in words
    pg.execute("ALTER TABLE engagement_events DROP CONSTRAINT engagement_events_pkey, ADD PRIMARY KEY (id)")
    pg.execute("DROP INDEX engagement_events_content_id")
    code, words = check()
    assert code == 2 and "CREATE INDEX ON public.engagement_events (content_id)" in words
