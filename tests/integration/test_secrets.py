# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: each worker reads its secrets and certificates again. A server changes what it takes; the
worker waits, keeps what it has in hand, and goes on with the new secret in the same process."""
import contextlib
import hashlib
import json
import signal
import uuid

import pytest
import standardwebhooks

import board_world
from clickhouse_server import Server
from engagement import postgres
from webhooks import SECRET, Http2Server, Opposite, Webhooks, self_signed
from wait import wait_for, wait_until
from world import Events, World

DDL = """
    CREATE TABLE items (a int PRIMARY KEY, kind int);
    CREATE TABLE kinds (id int PRIMARY KEY, title text);
    INSERT INTO kinds SELECT n, 'kind ' || n FROM generate_series(1, 9) n;
"""
SQL = "SELECT i.a, k.title FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind"


@contextlib.contextmanager
def world_with(folder, change):
    """A world whose file is changed before anything starts."""
    it = World(folder, DDL, SQL, ["items", "kinds"], ["a"], partitions=1)
    conf = json.loads(it.pipeline.read_text())
    change(it, conf)
    it.pipeline.write_text(json.dumps(conf))
    try:
        yield it.start([]), Events(it)
    finally:
        it.stop()


@contextlib.contextmanager
def role_by_password(password):
    """A role that Postgres wants a password of, though it trusts the others."""
    role = "rotated_" + uuid.uuid4().hex[:8]
    with postgres() as pg:
        with open(pg.execute("SHOW hba_file").fetchone()[0], "r+", encoding="utf-8") as hba:
            before = hba.read()
            hba.seek(0)
            hba.write(f"host all {role} all scram-sha-256\nlocal all {role} scram-sha-256\n{before}")
            hba.truncate()
            hba.flush()
            pg.execute(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{password}'")
            pg.execute("SELECT pg_reload_conf()")
            try:
                yield role
            finally:
                hba.seek(0)
                hba.write(before)
                hba.truncate()
                hba.flush()
                pg.execute("SELECT pg_reload_conf()")
                pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
                pg.execute(f"DROP ROLE {role}")


def hears(program, *words):
    wait_for(" ".join(words), 60, lambda: any(all(w in line for w in words) for line in
                                              program.log.read_text().splitlines()) or program.tail(4))


def test_enrich_takes_a_new_password_of_postgres(stack, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("one\n")
    with role_by_password("one") as role:
        def change(it, conf):
            conf["postgres"].update(user=role, password_file=str(secret))
        with world_with(tmp_path, change) as (it, events):
            enrich = it.worker("enrich").start()
            events.send(events.event("c", {"a": 1, "kind": 1}), {"a": 1})
            it.wait_records(1)
            with postgres() as pg:
                pg.execute(f"ALTER ROLE {role} PASSWORD 'two'")
                pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
            events.send(events.event("c", {"a": 2, "kind": 2}), {"a": 2})
            hears(enrich, "password authentication failed")
            enrich.process.send_signal(signal.SIGHUP)  # the file still holds the old one
            hears(enrich, "event=secrets", "taken=1")
            secret.write_text("two\n")
            enrich.process.send_signal(signal.SIGHUP)
            assert [r[1]["title"] for r in it.wait_records(2)] == ["kind 1", "kind 2"]
            it.pipeline.rename(tmp_path / "away.yaml")
            enrich.process.send_signal(signal.SIGHUP)
            hears(enrich, "event=secrets", "taken=0", "No such file")
            events.send(events.event("c", {"a": 3, "kind": 3}), {"a": 3})
            it.wait_records(3)
            assert enrich.stop() == 0


def test_clickhouse_takes_a_new_password(stack, tmp_path):
    secret, users = tmp_path / "password", tmp_path / "users"

    def give(password):
        users.write_text(f"sluice {hashlib.sha256(password.encode()).hexdigest()} readwrite\n")

    def change(it, conf):
        conf["clickhouse"] = {"url": f"http://127.0.0.1:{server.port}", "user": "sluice", "password_file": str(secret),
                              "database": "default", "table": "rows", "listen": "127.0.0.1:0"}

    give("one")
    secret.write_text("one\n")
    server = Server(tmp_path / "data", "--users", users)
    one, two = ({"X-ClickHouse-User": "sluice", "X-ClickHouse-Key": p} for p in ("one", "two"))
    server.ask("CREATE TABLE rows (a Int32, title Nullable(String), _version UInt64, _deleted UInt8) "
               "ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY a", headers=one)
    with world_with(tmp_path, change) as (it, events):
        it.commit("clickhouse", [(it.enriched, 0, 0)])
        worker = it.worker("clickhouse").start()
        it.worker("enrich").start()

        def row(a, headers):
            events.send(events.event("c", {"a": a, "kind": a}), {"a": a})
            wait_for(f"row {a}", 60, lambda: server.post("SELECT max(a) FROM rows", headers=headers).text == f"{a}\n")
        row(1, one)
        server.process.terminate()
        server.process.wait(20)
        give("two")
        server.start()
        events.send(events.event("c", {"a": 2, "kind": 2}), {"a": 2})
        hears(worker, "waiting for clickhouse", "516")
        secret.write_text("two\n")
        worker.process.send_signal(signal.SIGHUP)
        row(3, two)
        assert server.ask("SELECT count() FROM rows", headers=two) == "3\n"
        # An insert that is not answered keeps the login; that is tried again without another signal.
        server.process.send_signal(signal.SIGSTOP)
        try:
            events.send(events.event("c", {"a": 4, "kind": 4}), {"a": 4})
            it.wait_records(4)

            def said(words):
                return worker.log.read_text().count(words)
            busy = "an insert is not answered yet"

            def refused():  # as soon as the insert is on its way
                taken = said("taken=1")
                worker.process.send_signal(signal.SIGHUP)
                wait_for("an answer", 20, lambda: said("taken=1") > taken or said(busy) > 0)
                return said(busy) > 0
            wait_for("a busy sink", 60, refused)
            taken = said("taken=1")
        finally:
            server.process.send_signal(signal.SIGCONT)
        wait_for("the secrets", 60, lambda: said("taken=1") > taken or worker.tail(4))
        row(5, two)
        assert worker.stop() == 0
    assert server.stop() == 0


def test_leaderboard_takes_a_new_password(stack, tmp_path):
    server = board_world.Redis(tmp_path)
    admin, secret = server.client, tmp_path / "password"
    secret.write_text("one\n")
    admin.acl_setuser("board", enabled=True, reset=True, passwords=["+one"], keys=["*"], categories=["+@all"])
    world = board_world.World(tmp_path, server, batch_rows=50)
    try:
        world.login = f"  user: board\n  password_file: {secret}"
        world.write_pipeline(server.url, 50, board_world.SCORE)
        worker = world.worker()
        world.send_some(200)
        world.exact()
        admin.acl_setuser("board", enabled=True, passwords=["-one", "+two"])
        admin.client_kill_filter(user="board")
        world.send_some(200)
        wait_until("a refused login", lambda: "WRONGPASS" in worker.log.read_text(), 60)
        secret.write_text("two\n")
        worker.process.send_signal(signal.SIGHUP)
        world.exact()
        # Also while an assignment waits for Redis.
        admin.acl_setuser("board", enabled=True, passwords=["-two", "+three"])
        admin.client_kill_filter(user="board")
        secret.write_text("three\n")
        other = world.worker(1)

        def given_back():
            return worker.log.read_text().rpartition("given back")
        wait_until("a refused login", lambda: "WRONGPASS" in given_back()[2] and given_back()[1])
        worker.process.send_signal(signal.SIGHUP)
        world.send_some(200)
        world.exact()
        assert worker.stop() == 0 and other.stop() == 0
    finally:
        world.close()
        server.stop()


@pytest.fixture
def hooks(stack, tmp_path):
    made = []

    def make(url, **http):
        made.append(Webhooks(tmp_path, url, **http))
        return made[-1]
    yield make
    for it in made:
        it.close()


def test_http_takes_new_tokens_headers_and_secrets(hooks, tmp_path):
    other = "whsec_" + "QUJD" * 8
    files = {name: tmp_path / name for name in ("secret", "token", "key")}
    wanted = {}

    def write(secret, token, key):
        wanted.update(authorization=f"Bearer {token}", key=key, secret=secret)

        def now():
            for name, text in zip(files, (secret, token, key)):
                files[name].write_text(text + "\n")
        return now

    def answer(_, request):
        headers = request["headers"]
        try:
            standardwebhooks.Webhook(wanted["secret"]).verify(request["body"].decode(), headers)
        except standardwebhooks.webhooks.WebhookVerificationError:
            return 503
        right = headers.get("authorization") == wanted["authorization"] and headers.get("x-key") == wanted["key"]
        return 200 if right else 503

    write(SECRET, "t1", "k1")()
    server = Opposite(answer)
    pipeline = hooks(server.url, secret_file=files["secret"], token_file=files["token"],
                     headers=f"{{X-Key_file: {files['key']}}}")
    pipeline.change(1)
    pipeline.start()
    pipeline.caught_up()
    put = write(other, "t2", "k2")
    pipeline.change(1)
    pipeline.flush()
    pipeline.waits("503")
    put()
    files["token"].write_text("no\x01token\n")  # refused as a whole: nothing changes
    pipeline.process.send_signal(signal.SIGHUP)
    wait_for("the refusal", 30, lambda: "taken=0" in pipeline.log.read_text())
    put()
    pipeline.process.send_signal(signal.SIGHUP)
    pipeline.caught_up()
    assert pipeline.stop() == 0
    server.stop()
    assert not any(s in pipeline.log.read_text() for s in (SECRET, other))


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_http_takes_a_new_certificate(hooks, tmp_path, version):
    """Connections that were opened with the old one are not used again."""
    for name, cn in (("server", "127.0.0.1"), ("one", "one"), ("two", "two")):
        self_signed(tmp_path, name, cn=cn)
    (tmp_path / "clients.pem").write_text((tmp_path / "one.pem").read_text() + (tmp_path / "two.pem").read_text())
    cert, key = tmp_path / "cert.pem", tmp_path / "cert.key"

    def use(name):
        cert.write_text((tmp_path / f"{name}.pem").read_text())
        key.write_text((tmp_path / f"{name}.key").read_text())

    use("one")
    server = Http2Server(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "clients.pem")
    pipeline = hooks(server.url, ca=tmp_path / "server.pem", cert=cert, key=key, http2="true" if version == "2" else "false")
    before = [pipeline.change(k) for k in range(20)]
    pipeline.start()
    pipeline.caught_up()
    use("two")
    pipeline.process.send_signal(signal.SIGHUP)
    wait_for("the new certificate", 30, lambda: "taken=1" in pipeline.log.read_text())
    after = [pipeline.change(k) for k in range(20)]
    pipeline.caught_up()
    assert pipeline.stop() == 0
    clients = {r["id"]: r["client"] for r in server.stop()}
    assert {clients[i] for i in before} == {"one"} and {clients[i] for i in after} == {"two"}
