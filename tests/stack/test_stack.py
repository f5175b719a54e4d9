# SPDX-License-Identifier: Apache-2.0
"""The stack itself: idempotent, polite about ports and pids, and a real Debezium behind it.

It runs an instance of its own, on free ports and in a folder of its own, so that it disturbs
neither demo nor test."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import confluent_kafka
import confluent_kafka.admin
import httpx
import psycopg
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from free_port import free_port  # noqa: E402

NAMES = "postgres kafka controller connect clickhouse redis receiver router listen".split()
SERVICES = "postgres redis kafka connect clickhouse".split()


class Stack:
    def __init__(self, folder):
        self.folder = folder
        self.dir = folder / "self"
        self.ports = {name: free_port() for name in NAMES}
        table = "name self\n" + "".join(f"{n} {p}\n" for n, p in self.ports.items())
        (folder / "ports").write_text(table)

    def run(self, *args):
        env = dict(os.environ, STACK_DIR=str(self.folder), STACK_PORTS=str(self.folder / "ports"))
        command = [str(ROOT / "tests/stack/stack"), args[0], "self", *args[1:]]
        return subprocess.run(command, env=env, text=True, capture_output=True, timeout=300)

    def up(self, *services):
        done = self.run("up", *services)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pids(self):
        return {f.name: int(f.read_text().split()[0]) for f in (self.dir / "pid").iterdir()}


@pytest.fixture(scope="module")
def stack():
    folder = ROOT / "build/stack/selftest"
    folder.mkdir(parents=True, exist_ok=True)
    s = Stack(folder)
    s.run("wipe")
    yield s
    s.run("wipe")


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_taken_port_is_named_with_its_holder(stack):
    with socket.create_server(("127.0.0.1", stack.ports["redis"])):
        done = stack.run("up", "redis", "postgres")
    assert done.returncode == 1
    assert f"port {stack.ports['redis']} (redis of self) is taken by pid {os.getpid()} (" in done.stderr
    assert stack.pids() == {}, "nothing may start when a port is taken"


def test_unknown_names_are_refused(stack):
    assert "no service 'mysql'" in stack.run("up", "mysql").stderr
    done = subprocess.run([ROOT / "tests/stack/stack", "up", "nowhere"], text=True, capture_output=True)
    assert done.returncode == 1 and "'nowhere'" in done.stderr


def test_a_service_that_dies_is_named_with_its_log(stack):
    """Redis refuses an append-only folder that is a file."""
    data = stack.dir / "data/redis"
    data.mkdir(parents=True, exist_ok=True)
    (data / "appendonlydir").write_text("in the way")
    done = stack.run("up", "redis")
    (data / "appendonlydir").unlink()
    assert done.returncode == 1
    log = re.search(r"redis died.*; its log is (\S+)", done.stderr)
    assert log and "append" in pathlib.Path(log[1]).read_text().lower()


def test_up_twice_is_a_quick_no_op(stack):
    stack.up(*SERVICES)
    before = stack.pids()
    assert set(before) == set(SERVICES) and all(map(alive, before.values()))
    began = time.monotonic()
    out = stack.up(*SERVICES)
    assert time.monotonic() - began < 20
    assert stack.pids() == before
    assert "starting" not in out


def test_only_the_dead_services_are_restarted(stack):
    dead = {"redis", "postgres", "clickhouse"}
    before = stack.pids()
    for name in dead:
        os.kill(before[name], signal.SIGKILL)
    out = stack.up(*SERVICES)
    after = stack.pids()
    assert set(re.findall(r"(\w+) +starting", out)) == dead
    assert {name for name in SERVICES if after[name] != before[name]} == dead


def test_postgres_is_set_up_for_logical_decoding(stack):
    with psycopg.connect(dsn(stack)) as pg:
        shown = {n: pg.execute(f"SHOW {n}").fetchone()[0] for n in
                 ("wal_level", "server_encoding", "timezone", "max_slot_wal_keep_size")}
    assert shown == {"wal_level": "logical", "server_encoding": "UTF8", "timezone": "UTC",
                     "max_slot_wal_keep_size": "4GB"}


def dsn(stack):
    return f"host=127.0.0.1 port={stack.ports['postgres']} dbname=app user=postgres"


CONNECTOR = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "plugin.name": "pgoutput", "database.hostname": "127.0.0.1", "database.user": "postgres",
    "database.password": "", "database.dbname": "app", "topic.prefix": "self",
    "table.include.list": "public.small", "publication.autocreate.mode": "filtered",
    "poll.interval.ms": "10", "topic.creation.enable": "false",
}


def test_a_real_debezium_delivers_an_insert(stack):
    broker = f"127.0.0.1:{stack.ports['kafka']}"
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker})
    topic = confluent_kafka.admin.NewTopic("self.public.small", 1, 1)
    for made in admin.create_topics([topic]).values():
        made.result(30)
    with psycopg.connect(dsn(stack), autocommit=True) as pg:
        pg.execute("CREATE TABLE small (id int PRIMARY KEY, word text)")
        pg.execute("INSERT INTO small VALUES (1, 'before')")
        url = f"http://127.0.0.1:{stack.ports['connect']}/connectors/small/config"
        config = CONNECTOR | {"database.port": str(stack.ports["postgres"])}
        httpx.put(url, json=config, timeout=60).raise_for_status()
        seen = consume(broker, "self.public.small")
        assert next(seen) == ("r", {"id": 1, "word": "before"})
        pg.execute("INSERT INTO small VALUES (2, 'Grüße')")
        assert next(seen) == ("c", {"id": 2, "word": "Grüße"})


def consume(broker, topic):
    """(op, after) of each event; fails rather than waits for ever."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker, "group.id": "look",
                                         "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    while True:
        message = consumer.poll(60)
        assert message is not None, f"nothing on {topic} for 60 s"
        if not message.error():
            event = json.loads(message.value())
            yield event["op"], event["after"]


def test_a_restart_keeps_data_and_takes_less_than_30_s(stack):
    assert stack.run("down").returncode == 0
    began = time.monotonic()
    stack.up(*SERVICES)
    assert time.monotonic() - began < 30
    with psycopg.connect(dsn(stack)) as pg:
        assert pg.execute("SELECT count(*) FROM small").fetchone() == (2,)
    url = f"http://127.0.0.1:{stack.ports['connect']}/connectors/small/status"
    end = time.monotonic() + 60
    while (now := states(url)) != {"RUNNING"}:
        assert time.monotonic() < end, now
        time.sleep(0.2)


def states(url):
    answer = httpx.get(url, timeout=10)
    if answer.status_code != 200:
        return {answer.status_code}
    body = answer.json()
    return {body["connector"]["state"], *(t["state"] for t in body["tasks"] or [{"state": "none"}])}


def test_down_leaves_no_process_and_no_stranger_is_killed(stack):
    pids = stack.pids()
    parents = ",".join(map(str, pids.values()))
    family = subprocess.run(["ps", "-o", "pid=", "-p", parents, "--ppid", parents],
                            text=True, capture_output=True).stdout.split()
    assert len(family) > len(pids), "postgres has children"
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        mine = (stack.dir / "pid/redis").read_text().split()
        assert stack.run("down", "postgres", "kafka", "connect").returncode == 0
        (stack.dir / "pid/postgres").write_text(" ".join([str(stranger.pid), *mine[1:]]) + "\n")
        assert stack.run("down").returncode == 0
        assert stranger.poll() is None, "a recycled pid was killed"
    finally:
        stranger.kill()
        stranger.wait()
    assert not [p for p in family if alive(p)]
    assert stack.run("free").returncode == 0


def test_the_package_list_covers_the_libraries():
    named = set(re.findall(r":(lib[\w.+-]+-dev)", (ROOT / "tests/stack/deps.mk").read_text()))
    listed = {line.split()[0] for line in (ROOT / "tests/stack/packages").read_text().splitlines()
              if line and not line.startswith("#")}
    assert named and named <= listed
