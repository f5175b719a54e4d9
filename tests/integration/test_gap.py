# SPDX-License-Identifier: Apache-2.0
"""Another Postgres answers at the address of the one that the changes came from: restored from a dump, or the
wrong one. enrich says so, in the log, in its status and as a metric, and goes on; once, not at every start."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import httpx
import psycopg
import pytest

from engagement import BIN, Program
from free_port import free_port
from wait import wait_for
from world import Events, World

PG_BIN = pathlib.Path(os.environ.get("SLUICE_PG_BIN", "/usr/lib/postgresql/15/bin"))
DDL = """
    CREATE TABLE items (a int PRIMARY KEY, kind int);
    CREATE TABLE kinds (id int PRIMARY KEY, title text);
"""
SQL = "SELECT i.a, k.title FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind"


class Cluster:
    """A Postgres of its own, and so a system of its own."""

    def __init__(self, folder, port):
        self.data, self.port = folder / "data", port
        folder.mkdir()
        owner = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self.owner = {"user": owner.pw_uid, "group": owner.pw_gid} if owner else {}
        if owner:
            shutil.chown(folder, "postgres")
        self.run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        with open(self.data / "postgresql.auto.conf", "a", encoding="ascii") as conf:
            conf.write(f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n")

    def run(self, program, *more):
        done = subprocess.run([PG_BIN / program, "-D", self.data, *more], cwd="/", timeout=60, text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **self.owner)
        assert done.returncode == 0, done.stderr

    def start(self):
        self.run("pg_ctl", "-l", self.data / "log", "-w", "start")

    def stop(self):
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "-m", "immediate", "-w", "stop")

    def connect(self):
        return psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True)


@pytest.fixture
def clusters():
    """Two at one address. Not in pytest's own folders, which are closed to the user postgres."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="sluice-gap-") as folder:
        os.chmod(folder, 0o755)
        made = [Cluster(pathlib.Path(folder) / name, port) for name in ("one", "two")]
        yield made
        for it in made:
            it.stop()


def test_another_postgres_is_suspected(stack, tmp_path, clusters):
    one, two = clusters
    it = World(tmp_path, DDL, SQL, ["items", "kinds"], ["a"], partitions=1)
    conf = json.loads(it.pipeline.read_text())
    conf["postgres"].update(host="127.0.0.1", port=one.port, database="postgres")
    it.pipeline.write_text(json.dumps(conf))
    it.start([])
    events, port = Events(it), free_port()
    enrich = it.workers["enrich"] = Program(
        "enrich", [BIN / "sluice-enrich", "--pipeline", it.pipeline, "--listen", f"127.0.0.1:{port}"], tmp_path)

    def alarms():
        return [line for line in enrich.log.read_text().splitlines() if "event=alarm" in line]

    def ask(path):
        return httpx.get(f"http://127.0.0.1:{port}/{path}", timeout=10)

    def enriched(a, title):
        events.send(events.event("c", {"a": a, "kind": a}), {"a": a})
        wait_for(f"row {a}", 60, lambda: {r[0]["a"]: r[1]["title"] for r in it.records()}.get(a) == title or enrich.tail(4))

    def suspected(count):
        wait_for("the alarm", 60, lambda: len(alarms()) == count or enrich.tail(4))
        assert "kind=gap_suspected" in alarms()[-1] and "Postgres is another system" in alarms()[-1]
        assert 'sluice_alarm{kind="gap_suspected"} 1' in ask("metrics").text
        answer = ask("readyz")
        assert answer.status_code == 200 and "another system" in answer.text, answer.text
    try:
        for cluster, name in ((one, "one"), (two, "two")):
            cluster.start()
            with cluster.connect() as pg:
                pg.execute(f"CREATE SCHEMA {it.schema}; SET search_path TO {it.schema}; {DDL}")
                pg.execute("INSERT INTO kinds SELECT n, %s || n FROM generate_series(1, 9) n", (name,))
            cluster.stop()
        one.start()
        enrich.start()
        enriched(1, "one1")
        assert alarms() == [] and 'sluice_alarm{kind="gap_suspected"} 0' in ask("metrics").text
        one.stop()
        two.start()
        enriched(2, "two2")
        suspected(1)
        enriched(3, "two3")
        assert enrich.stop() == 0
        enrich.start()
        enriched(4, "two4")
        assert len(alarms()) == 1  # what it commits says which Postgres it is
        assert enrich.stop() == 0
        two.stop()
        one.start()  # while nobody looks
        enrich.start()
        enriched(5, "one5")
        suspected(2)
        assert enrich.stop() == 0
    finally:
        it.stop()
