# SPDX-License-Identifier: Apache-2.0
"""The engines of the router over the real PostgreSQL and Redis, asked by engine_ask: values, errors,
streams with slow readers, cancels, deadlines, full pools, servers that are killed."""
import collections
import contextlib
import grp
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import psycopg
import pytest
import redis

from clickhouse_server import Server
from engine_asker import WAIT, Asker, asker, registry
from free_port import free_port
from wait import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PG_BIN = pathlib.Path(os.environ.get("SLUICE_PG_BIN", "/usr/lib/postgresql/15/bin"))


def postgres():
    return {"kind": "postgres", "user": "postgres", "database": "postgres",
            "url": f"host={os.environ['SLUICE_PG_HOST']} port={os.environ['SLUICE_PG_PORT']}"}


@pytest.fixture(scope="module")
def db():
    with psycopg.connect(host=os.environ["SLUICE_PG_HOST"], port=os.environ["SLUICE_PG_PORT"], user="postgres",
                         dbname="postgres", autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS engines CASCADE; CREATE SCHEMA engines; "
                           "CREATE TABLE engines.t (id bigint PRIMARY KEY, name text, n numeric(12,3)); "
                           "INSERT INTO engines.t SELECT i, 'name ' || i, i / 8.0 FROM generate_series(1, 1000) i")
        yield connection
        connection.execute("DROP SCHEMA engines CASCADE")


@pytest.fixture
def pg(tmp_path, db):
    with asker(tmp_path, postgres()) as a:
        yield a


def backends(db, condition="true"):
    return db.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sluice-router' AND "
                      + condition).fetchone()[0]


# --- PostgreSQL ---


def test_values_are_those_of_the_session(pg):
    end, rows = pg.run("SELECT 1, NULL::text, $1::text, $2::int + 1, '2026-01-02 03:04:05+01'::timestamptz, '\\xff'::bytea, "
                       "0.1::float8, '{a,NULL}'::text[], true, ''::text, current_setting('search_path')", "ä'\"\\", "41")
    assert end["end"] == "done" and end["rows"] == 1 and end["affected"] == -1 and end["lsn"] == 0
    assert rows == [["1", None, "ä'\"\\", "42", "2026-01-02 02:04:05+00", "\\xff", "0.1", "{a,NULL}", "t", "", "public,pg_temp"]]
    end, rows = pg.run("SELECT n, id AS id2 FROM engines.t WHERE id < 0")
    assert end["end"] == "done" and rows == [] and pg.columns("run") == ["n", "id2"]
    assert pg.run("SELECT FROM engines.t WHERE id < 4")[0]["rows"] == 3
    assert pg.run("EXPLAIN SELECT 1")[1][0][0].startswith("Result")


@pytest.mark.parametrize("sql, code, end, position", [
    ("SELECT 'ää', nope", "42703", "reject", 15),
    ("SELEKT 1", "42601", "reject", 0),
    ("SELECT 1 FROM nowhere.t", "42P01", "reject", 14),
    ("SELECT 1 / 0", "22012", "reject", -1),
    ("SELECT 1; SELECT 2", "42601", "reject", -1),
    ("SELECT 'x'::int", "22P02", "reject", 7),
    ("SELECT (", "42601", "reject", 8),
    ("COPY engines.t TO STDOUT", "08P01", "halt", -1),
])
def test_errors_have_code_and_place(pg, sql, code, end, position):
    got, rows = pg.run(sql)
    assert (got["end"], got["code"], got["position"], got["rows"]) == (end, code, position, 0), got
    assert pg.run("SELECT 7")[1] == [["7"]]


def test_no_value_of_another_row_stands_in_an_error(pg):
    end, _ = pg.run("INSERT INTO engines.t VALUES (1, 'secret', 1)", write=True)
    assert end["code"] == "23505" and "secret" not in end["what"] and "(1)" not in end["what"]


def test_an_error_after_rows(pg):
    end, rows = pg.run("SELECT 100 / (50 - i) FROM generate_series(1, 100) i")
    assert end["end"] == "reject" and end["code"] == "22012" and end["rows"] == len(rows) == 49


@pytest.mark.parametrize("sql", ["INSERT INTO engines.t VALUES (-1)", "DELETE FROM engines.t", "CREATE TABLE engines.x ()",
                                 "WITH d AS (DELETE FROM engines.t RETURNING 1) SELECT * FROM d", "TRUNCATE engines.t"])
def test_a_read_cannot_write(pg, db, sql):
    for _ in range(3):
        end, _ = pg.run(sql)
        assert end["end"] == "reject" and end["code"] == "25006", end
    assert db.execute("SELECT count(*) FROM engines.t").fetchone()[0] == 1000
    assert backends(db, "state <> 'idle'") == 0


def test_nul_and_many_parameters(pg):
    assert pg.run("SELECT $1::text", "a\0b")[0]["code"] == "22021"
    values = [str(i) for i in range(60)]
    end, rows = pg.run("SELECT " + ", ".join(f"${i + 1}::int" for i in range(60)), *values)
    assert rows == [values]
    assert pg.run("SELECT $1::int + $2::int", None, "3")[1] == [[None]]


def test_columns_of_a_plan(pg):
    end, rows = pg.run("SELECT id, name FROM engines.t WHERE id = 5", columns=["x", "y"], types=["int8", "text"])
    assert end["end"] == "done" and pg.columns("run") == ["x", "y"] and rows == [["5", "name 5"]]
    end, rows = pg.run("SELECT id, name FROM engines.t", columns=["x"])
    assert end["end"] == "halt" and end["rows"] == 0 and "2 columns" in end["what"]
    assert pg.run("SELECT 7")[1] == [["7"]]


def test_a_write_tells_what_it_did(pg, db):
    before = db.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()[0]
    end, rows = pg.run("INSERT INTO engines.t VALUES ($1, 'w'), (2002, 'w') RETURNING id", "2001", write=True)
    assert end["end"] == "done" and end["affected"] == 2 and rows == [["2001"], ["2002"]] and pg.columns("run") == ["id"]
    after = db.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()[0]
    assert before < end["lsn"] <= after and not end["unknown"]
    end, _ = pg.run("UPDATE engines.t SET name = 'u' WHERE id > 2000", write=True)
    assert end["affected"] == 2 and db.execute("SELECT count(*) FROM engines.t WHERE name = 'u'").fetchone()[0] == 2
    end, _ = pg.run("DELETE FROM engines.t WHERE id > 2000", write=True)
    assert end["affected"] == 2
    end, _ = pg.run("CREATE TABLE engines.made (id int)", write=True)
    assert end["end"] == "done" and end["affected"] == -1 and end["lsn"] > 0
    end, _ = pg.run("DROP TABLE engines.made", write=True)
    assert end["end"] == "done"


def test_a_commit_that_fails_is_no_unknown_outcome(pg, db):
    db.execute("CREATE TABLE engines.child (id bigint REFERENCES engines.t DEFERRABLE INITIALLY DEFERRED)")
    end, _ = pg.run("INSERT INTO engines.child VALUES (-77)", write=True)
    assert end["end"] == "reject" and end["code"] == "23503" and not end["unknown"]
    assert db.execute("SELECT count(*) FROM engines.child").fetchone()[0] == 0
    db.execute("DROP TABLE engines.child")
    assert pg.run("SELECT 7")[1] == [["7"]] and backends(db, "state <> 'idle'") == 0


def test_a_write_leaves_no_state(tmp_path, db):
    with asker(tmp_path, postgres(), 1, 10) as a:
        end, _ = a.run("INSERT INTO engines.t SELECT 3001, set_config('TimeZone', 'Asia/Tokyo', false) || "
                       "pg_advisory_lock(4711)::text", write=True)
        assert end["end"] == "done", end
        a.run("CREATE TEMP TABLE engines_temp AS SELECT 1 AS one", write=True)
        end, rows = a.run("SELECT current_setting('TimeZone'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), "
                          "to_regclass('engines_temp')")
        assert rows == [["UTC", "0", None]]
        a.run("DELETE FROM engines.t WHERE id = 3001", write=True)


def test_a_prepared_text_whose_table_changes(tmp_path, db):
    db.execute("DROP TABLE IF EXISTS engines.alters; CREATE TABLE engines.alters (a int, b int); "
               "INSERT INTO engines.alters VALUES (1, 2)")
    with asker(tmp_path, postgres(), 1, 10) as a:
        for _ in range(4):
            assert a.run("SELECT * FROM engines.alters")[1] == [["1", "2"]]
        db.execute("ALTER TABLE engines.alters ALTER b TYPE text USING 'two', ADD c int DEFAULT 3")
        for _ in range(3):
            end, rows = a.run("SELECT * FROM engines.alters")
            assert rows == [["1", "two", "3"]] and a.columns("run") == ["a", "b", "c"]
        db.execute("DROP TABLE engines.alters")
        assert a.run("SELECT * FROM engines.alters")[0]["code"] == "42P01"
        assert a.run("SELECT 7")[1] == [["7"]]
        assert a.state()["connections"] <= 2


def test_more_texts_than_are_kept(tmp_path, db):
    with asker(tmp_path, postgres(), 1, 10) as a:
        for round_ in range(3):
            for i in range(150):
                a.tell(ask=f"{round_}.{i}", sql=f"SELECT {i} + $1::int", params=["1"])
                assert a.end(f"{round_}.{i}")["end"] == "done"
                assert a.given(f"{round_}.{i}") == [[str(i + 1)]]


def test_a_million_rows_to_a_slow_reader(pg, db):
    pg.tell(ask="big", sql="SELECT i, repeat('x', 100) FROM generate_series(1, 1000000) i", quiet=True, pause_every=250000,
            deadline_ms=300000)
    pg.paused("big", 250000)
    wait_until("the server waits for us", lambda: backends(db, "wait_event = 'ClientWrite'") == 1)
    pg.tell(more="big")
    pg.paused("big", 500000)
    assert pg.run("SELECT 7")[1] == [["7"]]  # others are served meanwhile
    pg.tell(more="big")
    pg.paused("big", 750000)
    pg.tell(more="big")
    pg.paused("big", 1000000)
    pg.tell(more="big")
    end = pg.end("big")
    assert end["end"] == "done" and end["rows"] == 1000000
    assert pg.peak_mb() < 40


def test_wide_rows(pg):
    end, rows = pg.run("SELECT repeat('y', 3000000), i FROM generate_series(1, 3) i")
    assert end["end"] == "done" and [(len(r[0]), r[1]) for r in rows] == [(3000000, "1"), (3000000, "2"), (3000000, "3")]
    end, rows = pg.run("SELECT repeat('y', 80000000)")
    assert end["end"] != "done" and end["code"] == "54000"
    assert pg.run("SELECT 7")[1] == [["7"]]


def test_cancel(pg, db):
    pg.tell(ask="sleeps", sql="SELECT pg_sleep(100)")
    wait_until("it runs", lambda: backends(db, "wait_event = 'PgSleep'") == 1)
    pg.tell(cancel="sleeps")
    end = pg.end("sleeps")
    assert end["end"] == "retry" and end["code"] == "57014" and "cancelled" in end["what"]
    assert backends(db, "state <> 'idle'") == 0
    before = pg.state()["connections"]
    assert pg.run("SELECT 7")[1] == [["7"]]  # on the same session
    assert pg.state()["connections"] == before


def test_cancel_after_some_rows_and_in_a_pause(pg, db):
    pg.tell(ask="some", sql="SELECT generate_series(1, 50000000)", cancel_after=100, deadline_ms=300000)
    end = pg.end("some")
    assert end["code"] == "57014" and end["rows"] == len(pg.given("some")) == 100
    pg.tell(ask="held", sql="SELECT generate_series(1, 50000000), repeat('x', 1000)", pause_every=10, quiet=True,
            deadline_ms=300000)
    pg.paused("held", 10)
    wait_until("the server waits for us", lambda: backends(db, "wait_event = 'ClientWrite'") == 1)
    pg.tell(cancel="held")
    assert pg.end("held")["code"] == "57014"
    wait_until("the server has let go", lambda: backends(db, "state <> 'idle'") == 0)
    assert pg.run("SELECT 7")[1] == [["7"]]


def test_deadline(pg, db):
    end, _ = pg.run("SELECT pg_sleep(100)", deadline_ms=300)
    assert end["end"] == "retry" and end["code"] == "57014" and "deadline" in end["what"] and end["elapsed_us"] >= 300000
    wait_until("the server has let go", lambda: backends(db, "state <> 'idle'") == 0)
    state = pg.state()
    assert state["cancelled"] == 1 and state["failed"] == 0 and not state["breaker_open"]


def test_a_write_that_is_cancelled_was_not_done(pg, db):
    pg.tell(ask="write", sql="INSERT INTO engines.t SELECT 5001, pg_sleep(100)::text", write=True)
    wait_until("it runs", lambda: backends(db, "wait_event = 'PgSleep'") == 1)
    pg.tell(cancel="write")
    end = pg.end("write")
    assert end["code"] == "57014" and not end["unknown"]
    assert db.execute("SELECT count(*) FROM engines.t WHERE id = 5001").fetchone()[0] == 0


def test_a_full_pool(tmp_path, db):
    with asker(tmp_path, postgres(), 2, 2) as a:
        for name in "abcde":
            a.tell(ask=name, sql=f"SELECT '{name}', pg_sleep(100)")
        assert a.end("e")["code"] == "53300"
        wait_until("it runs", lambda: backends(db, "wait_event = 'PgSleep'") == 2)
        state = a.state()
        assert state["under_way"] == 2 and state["waiting"] == 2
        for name in "abcd":
            a.tell(cancel=name)
            assert a.end(name)["code"] == "57014"
        assert a.run("SELECT 7")[1] == [["7"]]
        assert a.state()["connections"] <= 3 and backends(db, "state <> 'idle'") == 0


def test_a_backend_that_is_terminated(pg, db):
    pg.tell(ask="read", sql="SELECT pg_sleep(100)")
    wait_until("it runs", lambda: backends(db, "wait_event = 'PgSleep'") == 1)
    db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    end = pg.end("read")
    assert end["end"] == "retry" and end["code"] == "57P01" and not end["unknown"]
    pg.tell(ask="write", sql="INSERT INTO engines.t SELECT 5002, pg_sleep(100)::text", write=True)
    wait_until("it runs", lambda: backends(db, "wait_event = 'PgSleep'") == 1)
    db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    assert not pg.end("write")["unknown"]  # it has not come to COMMIT
    db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice-router'")
    wait_until("idle ones are seen to go", lambda: pg.state()["connections"] == 0)
    assert pg.run("SELECT 7")[1] == [["7"]]


class Between:
    """Stands between the router and PostgreSQL. When the word comes from the router, "cut" closes the
    connection and "hold" keeps back all that the server says on it from then on, until let_go()."""

    def __init__(self, word, what):
        self.word, self.what, self.met, self.free = word, what, threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.take, daemon=True).start()

    def engine(self):
        return postgres() | {"url": f"host=127.0.0.1 port={self.listener.getsockname()[1]} sslmode=disable gssencmode=disable"}

    def take(self):
        with contextlib.suppress(OSError):
            while True:
                self.serve(self.listener.accept()[0])

    def serve(self, router):
        host, port = os.environ["SLUICE_PG_HOST"], os.environ["SLUICE_PG_PORT"]
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
        else:
            server = socket.create_connection((host, int(port)))
        held = threading.Event()
        threading.Thread(target=self.pass_on, args=(router, server, held, True), daemon=True).start()
        threading.Thread(target=self.pass_on, args=(server, router, held, False), daemon=True).start()

    def pass_on(self, source, sink, held, asks):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if asks and self.word in data and not self.free.is_set():
                    held.set()
                    self.met.set()
                    if self.what == "cut":
                        break
                if not asks and held.is_set():
                    self.free.wait(WAIT)
                sink.sendall(data)
        for end in source, sink:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def let_go(self):
        self.free.set()

    def close(self):
        self.let_go()
        self.listener.close()


def test_a_connection_lost_before_a_stale_text_ran_again(tmp_path, db):
    db.execute("DROP TABLE IF EXISTS engines.stale; CREATE TABLE engines.stale (a int); INSERT INTO engines.stale VALUES (1)")
    between = Between(b"ROLLBACK", "cut")
    with asker(tmp_path, between.engine(), 1, 10) as a:
        for i in range(10):
            for _ in range(3):
                assert a.run("SELECT * FROM engines.stale")[1] == [["1"] + ["7"] * i]
            db.execute(f"ALTER TABLE engines.stale ADD c{i} int DEFAULT 7")
            end, rows = a.run("SELECT * FROM engines.stale")
            if between.met.is_set():
                break
        assert (end["end"], end.get("code"), rows) == ("retry", "08006", []), end
        between.let_go()
        wait_until("it answers", lambda: a.run("SELECT 7")[1] == [["7"]])
    between.close()


def test_a_write_does_not_wait_until_its_session_is_clean(tmp_path, db):
    between = Between(b"DISCARD ALL", "hold")
    zone = "SELECT set_config('TimeZone', 'Asia/Tokyo', false), current_setting('statement_timeout')"
    with asker(tmp_path, between.engine(), 1, 10) as a:
        a.tell(ask="first", sql=zone, write=True)
        assert a.end("first")["end"] == "done" and between.met.wait(WAIT)
        a.tell(ask="next", sql="SELECT current_setting('TimeZone')", write=True)  # on the same session, behind it
        a.state()
        assert not a.given("next")
        between.let_go()
        assert a.end("next")["end"] == "done" and a.given("next") == [["UTC"]]
    between.close()


# --- a PostgreSQL of our own: passwords, TLS, and a death ---


class Cluster:
    def __init__(self, folder):
        self.folder, self.data = folder, folder / "data"
        self.port = free_port()
        self.owner = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        (folder / "password").write_text("pass'wörd\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
        os.chmod(folder / "key", 0o600)
        if self.owner:
            for path in folder, folder / "password", folder / "key", folder / "cert":
                shutil.chown(path, "postgres", grp.getgrgid(self.owner.pw_gid).gr_name)
        self.as_owner(PG_BIN / "initdb", "-D", self.data, "-U", "boss", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8",
                      f"--pwfile={folder / 'password'}", "--no-sync")
        with open(self.data / "postgresql.auto.conf", "a") as conf:
            conf.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nssl = on\n"
                       f"ssl_cert_file = '{folder / 'cert'}'\nssl_key_file = '{folder / 'key'}'\nfsync = off\n")
        self.start()

    def as_owner(self, *command):
        uid = {"user": self.owner.pw_uid, "group": self.owner.pw_gid} if self.owner else {}
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=WAIT, **uid)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self):
        self.as_owner(PG_BIN / "pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "start")

    def kill(self):
        """The postmaster and its children, as a machine that loses its power."""
        master = int((self.data / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(master)], capture_output=True, text=True).stdout.split()
        for pid in [master, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self):
        self.as_owner(PG_BIN / "pg_ctl", "-D", self.data, "-m", "immediate", "stop")

    def engine(self, **more):
        return {"kind": "postgres", "url": f"postgresql://127.0.0.1:{self.port}/postgres", "user": "boss",
                "password_file": str(self.folder / "password"), **more}


@pytest.fixture(scope="module")
def cluster():
    """Not in pytest's own folders: they are closed to the user postgres, by each run anew."""
    with tempfile.TemporaryDirectory(prefix="sluice-cluster-") as folder:
        c = Cluster(pathlib.Path(folder))
        yield c
        c.stop()


def test_password_and_tls(tmp_path, cluster):
    url = f"postgresql://127.0.0.1:{cluster.port}/postgres?sslmode="
    sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    with asker(tmp_path, cluster.engine(url=url + "require")) as a:
        assert a.run(sql)[1] == [["t"]]
        end, rows = a.run("SELECT i, repeat('z', 50) FROM generate_series(1, 20000) i")
        assert end["end"] == "done" and rows == [[str(i), "z" * 50] for i in range(1, 20001)]
        a.tell(ask="held", sql="SELECT i, repeat('x', 1000) FROM generate_series(1, 100000) i", pause_every=50000, quiet=True)
        a.paused("held", 50000)
        a.tell(more="held")
        a.paused("held", 100000)
        a.tell(more="held")
        assert a.end("held")["rows"] == 100000
        assert a.run("SELECT length($1)", "q" * 300000)[1] == [["300000"]]
    with asker(tmp_path, cluster.engine(url=url + "disable")) as a:
        assert a.run(sql)[1] == [["f"]]
    wrong = cluster.engine(password="wrong")
    del wrong["password_file"]
    with asker(tmp_path, wrong) as a:
        end, _ = a.run(sql)
        assert end["end"] == "halt" and end["code"] == "28P01" and "wrong" not in end["what"]
        state = a.state()
        assert state["down"]


def test_an_end_in_the_middle_of_a_handshake(tmp_path, cluster):
    """A thread that connects is not waited for, and must not find the libraries it is in taken down."""
    codes = collections.Counter()
    for i in range(60):
        a = Asker(registry(tmp_path, cluster.engine()), "postgres")
        time.sleep(i / 1000)
        a.process.stdin.close()
        codes[a.process.wait(timeout=WAIT)] += 1
    assert set(codes) == {0}, codes


def test_a_server_that_is_killed_and_comes_back(tmp_path, cluster):
    with asker(tmp_path, cluster.engine()) as a:
        assert a.run("SELECT 7")[1] == [["7"]]
        a.tell(ask="write", sql="SELECT pg_sleep(100)", write=True)
        a.tell(ask="big", sql="SELECT generate_series(1, 50000000), repeat('x', 1000)", quiet=True, pause_every=1000,
               deadline_ms=300000)
        a.paused("big", 1000)
        cluster.kill()
        end = a.end("write")
        assert end["end"] == "retry" and end["code"] == "08006" and end["unknown"]  # COMMIT was sent with it
        while True:
            a.tell(more="big")
            line = a.until(lambda line: line.get("id") == "big")
            if "end" in line:
                break
        assert line["end"] == "retry" and line["code"] == "08006" and line["rows"] >= 1000
        end, _ = a.run("SELECT 7")
        assert end["end"] == "retry" and end["code"] == "08006"
        wait_until("it is down", lambda: a.state()["down"])
        cluster.start()
        wait_until("it is up", lambda: not a.state()["down"])
        wait_until("it answers", lambda: a.run("SELECT 7")[1] == [["7"]])


def test_a_server_that_is_not_there(tmp_path):
    with asker(tmp_path, {"kind": "postgres", "url": "host=127.0.0.1 port=1"}) as a:
        for _ in range(5):
            end, _ = a.run("SELECT 7")
            assert end["end"] == "retry" and end["code"] == "08006"
        end, _ = a.run("SELECT 7")
        assert end["code"] == "57P03" and a.state()["breaker_open"]


def test_a_server_that_never_answers(tmp_path):
    """It takes the connection and says nothing: the deadline ends it, cancel or not."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(50)
        with asker(tmp_path, {"kind": "postgres", "url": f"host=127.0.0.1 port={mute.getsockname()[1]}"}) as a:
            end, _ = a.run("SELECT 7", deadline_ms=200)
            assert end["end"] == "retry" and end["code"] == "57014"


# --- Redis ---


@pytest.fixture(scope="module")
def board():
    client = redis.Redis.from_url(os.environ["SLUICE_REDIS"].rstrip("/") + "/15")
    client.delete("engines:board", "engines:text", "engines:big")
    client.zadd("engines:board", {"a": 1, "b b": 2.5, "ü\"\\": 0.1, "d": 1e20, "e": -3, "f": 1234567.125})
    client.set("engines:text", "x")
    for i in range(0, 10000, 1000):
        client.zadd("engines:big", {f"member {j}": j for j in range(i, i + 1000)})
    yield client
    client.delete("engines:board", "engines:text", "engines:big")


def redis_engine(**more):
    return {"kind": "redis", "url": os.environ["SLUICE_REDIS"].rstrip("/") + "/15", **more}


BOARD = {"columns": ["member", "score"], "types": ["text", "float8"]}


def test_a_board(tmp_path, board):
    with asker(tmp_path, redis_engine()) as a:
        end, rows = a.run("ZREVRANGE\nengines:board\n0\n9", **BOARD)
        assert end["end"] == "done" and rows == [["d", "1e+20"], ["f", "1234567.125"], ["b b", "2.5"], ["a", "1"],
                                                 ["ü\"\\", "0.1"], ["e", "-3"]]
        assert a.run("ZRANGE\nengines:board\n0\n0", **BOARD)[1] == [["e", "-3"]]
        assert a.run("ZSCORE\nengines:board\nb b", **BOARD)[1] == [["b b", "2.5"]]
        assert a.run("ZSCORE\nengines:board\nb b", columns=["s", "m", "s2"], types=["float8", "text", "float8"])[1] == [
            ["2.5", "b b", "2.5"]]
        end, rows = a.run("ZSCORE\nengines:board\nnobody", **BOARD)
        assert end["end"] == "done" and rows == []
        end, rows = a.run("ZREVRANGE\nengines:nothing\n0\n9", **BOARD)
        assert end["end"] == "done" and rows == [] and a.columns("run") == ["member", "score"]
        end, _ = a.run("ZREVRANGE\nengines:text\n0\n9", **BOARD)
        assert end["end"] == "halt" and end["code"] == "42809"
        state = a.state()
        assert state["connections"] == 1


def test_a_board_in_pauses_and_cancelled(tmp_path, board):
    with asker(tmp_path, redis_engine()) as a:
        a.tell(ask="slow", sql="ZREVRANGE\nengines:big\n0\n9999", pause_every=4000, **BOARD)
        a.paused("slow", 4000)
        assert a.run("ZSCORE\nengines:board\na", **BOARD)[1] == [["a", "1"]]
        a.tell(more="slow")
        a.paused("slow", 8000)
        a.tell(more="slow")
        end = a.end("slow")
        assert end["rows"] == 10000 and a.given("slow")[-1] == ["member 0", "0"]
        a.tell(ask="stops", sql="ZREVRANGE\nengines:big\n0\n9999", pause_every=10, **BOARD)
        a.paused("stops", 10)
        a.tell(cancel="stops")
        end = a.end("stops")
        assert end["code"] == "57014" and end["rows"] == 10


def test_redis_users_and_rights(tmp_path, board):
    board.execute_command("ACL", "SETUSER", "engines_reader", "on", ">open sesame", "~engines:board", "+zrevrange", "+ping",
                          "+client", "+select")
    try:
        with asker(tmp_path, redis_engine(user="engines_reader", password="open sesame")) as a:
            assert a.run("ZREVRANGE\nengines:board\n0\n0", **BOARD)[1] == [["d", "1e+20"]]
            end, _ = a.run("ZREVRANGE\nengines:big\n0\n0", **BOARD)
            assert end["end"] == "halt" and end["code"] == "42501"
        with asker(tmp_path, redis_engine(user="engines_reader", password="close")) as a:
            end, _ = a.run("ZREVRANGE\nengines:board\n0\n0", **BOARD)
            assert end["end"] == "halt" and end["code"] == "28P01"
    finally:
        board.execute_command("ACL", "DELUSER", "engines_reader")


def test_a_redis_that_hangs_dies_and_comes_back(tmp_path):
    def start():
        process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", tmp_path / "redis.sock", "--save", "",
                                    "--dir", tmp_path], stdout=subprocess.DEVNULL)
        client = redis.Redis(unix_socket_path=str(tmp_path / "redis.sock"))

        def pings():
            with contextlib.suppress(redis.exceptions.ConnectionError):
                return client.ping()
        wait_until("it pings", pings)
        client.zadd("b", {"a": 1})
        return process

    process = start()
    try:
        with asker(tmp_path, {"kind": "redis", "url": f"unix://{tmp_path / 'redis.sock'}"}) as a:
            assert a.run("ZSCORE\nb\na", **BOARD)[1] == [["a", "1"]]
            process.send_signal(signal.SIGSTOP)
            end, _ = a.run("ZSCORE\nb\na", deadline_ms=200, **BOARD)
            assert end["code"] == "57014"
            process.send_signal(signal.SIGCONT)
            assert a.run("ZSCORE\nb\na", **BOARD)[1] == [["a", "1"]]  # on a new connection
            process.kill()
            process.wait()
            end, _ = a.run("ZSCORE\nb\na", **BOARD)
            assert end["end"] == "retry" and end["code"] == "08006"
            process = start()
            wait_until("it answers", lambda: a.run("ZSCORE\nb\na", **BOARD)[1] == [["a", "1"]])
            wait_until("it is up", lambda: not a.state()["down"])
    finally:
        process.kill()
        process.wait()


# --- ClickHouse ---


def test_clickhouse_with_a_full_pool_and_a_line(tmp_path):
    """Each that ends or is cancelled leaves its place to the next in line, and none is refused for it."""
    server = Server(tmp_path / "data")
    try:
        with asker(tmp_path, {"kind": "clickhouse", "url": f"http://127.0.0.1:{server.port}", "user": "default", "password": ""}, 16, 64) as a:
            assert a.run("SELECT 7")[1] == [["7"]]
            for i in range(64):
                rows = "numbers(20000000)" if i % 4 == 3 else "numbers(3)"
                a.tell(ask=f"q{i}", sql=f"SELECT number + {i}, sleep(0.05) FROM {rows}", cancel_after=2 if i % 4 == 3 else 0, deadline_ms=WAIT * 1000)
            for i in range(64):
                end = a.end(f"q{i}")
                if i % 4 == 3:
                    assert (end["end"], end["code"]) == ("retry", "57014"), (i, end)
                else:
                    assert end["end"] == "done" and a.given(f"q{i}") == [[str(n + i), "0"] for n in range(3)], (i, end)
            state = a.state()
            assert state["failed"] == 0 and state["under_way"] == state["waiting"] == 0, state
            # five cancels in a row that a busy server took more than two seconds to obey
            assert not state["breaker_open"] or "obey a cancel" in state["trouble"], state
    finally:
        server.stop()
