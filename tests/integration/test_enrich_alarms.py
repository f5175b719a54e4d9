# SPDX-License-Identifier: Apache-2.0
"""What enrich cannot mend and goes on without: it says so in the log, in its status and as a metric.
Real Debezium, slot and signal table."""
import os
import re

import httpx
import pytest

from engagement import BIN, ROOT, Program, postgres, wait_for
from free_port import free_port
from world import World

DDL = """
    CREATE TABLE items (id int PRIMARY KEY, kind int);
    CREATE INDEX ON items (kind);
    CREATE TABLE kinds (id int PRIMARY KEY, title text);
    INSERT INTO kinds VALUES (1, 'many'), (2, 'few');
    INSERT INTO items SELECT n, CASE WHEN n <= 60 THEN 1 ELSE 2 END FROM generate_series(1, 65) n;
"""
SQL = "SELECT i.id, i.kind, k.title FROM {s}.items i LEFT JOIN {s}.kinds k ON k.id = i.kind"


class Alarmed(World):
    def start(self, workers=()):
        super().start(workers)
        self.port = free_port()
        self.workers["enrich"] = Program("enrich", [BIN / "sluice-enrich", "--pipeline", self.pipeline, "--listen",
                                                    f"127.0.0.1:{self.port}"], self.folder).start()
        return self

    def metric(self, name):
        lines = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=10).text.splitlines()
        return next(int(line.split()[-1]) for line in lines if line.startswith(name + " "))

    def status(self):
        return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=10)

    def titles(self, kind):
        """What each of its facts says last."""
        return list({r[0]["id"]: r[1]["title"] for r in self.records() if r[1] and r[1]["kind"] == kind}.values())

    def alarms(self):
        return [line for line in self.workers["enrich"].log.read_text().splitlines() if "event=alarm" in line]


@pytest.fixture(scope="module")
def world(stack, tmp_path_factory):
    it = Alarmed(tmp_path_factory.mktemp("alarms"), DDL, SQL, ["items", "kinds"], ["id"], connector=True,
                 enrich={"refresh_rows_max": 50}).start()
    yield it
    codes = it.stop()
    assert all(code == 0 for code in codes.values()), f"exit codes {codes}: logs in {it.folder}"


def test_a_row_with_too_many_facts_is_not_refreshed(world):
    """The others that changed with it are."""
    world.wait_records(65)
    assert world.metric('sluice_alarm{kind="refresh_rows_max"}') == 0
    with postgres() as pg:
        pg.execute(f"UPDATE {world.schema}.kinds SET title = title || '!'")
        wait_for("the facts of the small one", 60,
                 lambda: world.titles(2) == ["few!"] * 5 or (world.titles(2), world.workers["enrich"].tail()))
        assert world.titles(1) == ["many"] * 60
        assert world.metric("sluice_refresh_refused_total") == 1
        assert world.metric("sluice_refresh_keys_total") == 1
        assert world.metric('sluice_alarm{kind="refresh_rows_max"}') == 1
        answer = world.status()
        assert answer.status_code == 200 and "more than 50 facts" in answer.text, answer.text
        alarm, = world.alarms()
        assert f"{world.schema}.kinds ('1'::integer) changed" in alarm and "kind=refresh_rows_max" in alarm
        code, out = world.sluicectl("verify", "--settle", "0")
        assert code == 1 and "60 differ" in out, out
        pg.execute(f"TRUNCATE {world.schema}.kinds")
        wait_for("the other alarm", 60, lambda: len(world.alarms()) == 2)
        assert "was truncated" in world.alarms()[1]
        # What a person does: a higher limit, and the change once more.
        assert world.workers["enrich"].stop() == 0
        world.write_pipeline(refresh_rows_max=60)
        world.workers["enrich"].start()
        pg.execute(f"INSERT INTO {world.schema}.kinds VALUES (1, 'much'), (2, 'few!')")
    wait_for("all facts", 60, lambda: world.titles(1) == ["much"] * 60)
    code, out = world.sluicectl("verify")
    assert code == 0, out
    assert world.metric('sluice_alarm{kind="refresh_rows_max"}') == 0


def test_a_slot_whose_statistics_begin_anew_is_the_same(world):
    """Their count is smaller then, and their epoch a later one."""
    ask = re.sub(r"--.*\n", "", (ROOT / "sql/postgres/gap.sql").read_text()).replace("$1", "%s")
    with postgres() as pg:
        *_, before, txns = pg.execute(ask, [world.name] * ask.count("%s")).fetchone()
        assert int(txns) > 0
        pg.execute("SELECT pg_stat_reset_replication_slot(%s)", (world.name,))
        *_, after, txns = pg.execute(ask, [world.name] * ask.count("%s")).fetchone()
        assert int(after) > int(before)
        pg.execute(f"UPDATE {world.schema}.items SET kind = 3 WHERE id = 65")  # a commit says what was seen
        wait_for("its record", 60, lambda: world.titles(3) == [None])
    assert world.metric('sluice_alarm{kind="gap_suspected"}') == 0


def test_a_slot_that_was_made_again_is_suspected(world):
    api = httpx.Client(base_url=f"{os.environ['SLUICE_CONNECT']}/connectors/{world.name}", timeout=60)
    kind = 'sluice_alarm{kind="gap_suspected"}'
    with postgres() as pg:
        world.wait_records(60)
        pg.execute(f"INSERT INTO {world.schema}.items VALUES (101, 3)")
        wait_for("the row", 60, lambda: 101 in [r[0]["id"] for r in world.records()])
        assert world.metric(kind) == 0
        api.put("/stop").raise_for_status()
        wait_for("the connector's stop", 60, lambda: pg.execute(
            "SELECT active FROM pg_replication_slots WHERE slot_name = %s", (world.name,)).fetchone() == (False,))
        pg.execute("SELECT pg_drop_replication_slot(%s)", (world.name,))
        pg.execute(f"INSERT INTO {world.schema}.items VALUES (102, 3)")  # lost
        pg.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (world.name,))
        wait_for("the alarm", 60, lambda: world.metric(kind) == 1)
        assert "the slot was made again" in world.alarms()[-1] or "the slot is gone" in world.alarms()[-1]
        assert "gap_suspected" in world.status().text
        assert world.status().status_code == 200  # it goes on
        # What a person does: a snapshot, since Debezium does not go on with that slot by itself.
        wait_for("forgotten offsets", 60, lambda: api.delete("/offsets").status_code == 200)
        api.put("/resume").raise_for_status()
    wait_for("the lost row", 120, lambda: 102 in [r[0]["id"] for r in world.records()])
    code, out = world.sluicectl("verify")
    assert code == 0, out
    seen = len(world.alarms())
    assert world.workers["enrich"].stop() == 0
    world.workers["enrich"].start()
    wait_for("enrich", 60, lambda: "working on" in world.workers["enrich"].tail(3))
    assert len(world.alarms()) == seen, world.alarms()
