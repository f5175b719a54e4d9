# SPDX-License-Identifier: Apache-2.0
"""What enrich cannot mend and goes on without: it says so in the log, in its status and as a metric.
Real Debezium, slot and signal table."""
import json
import os
import re
import uuid

import httpx
import pytest

from engagement import BIN, ROOT, Program, postgres
from free_port import free_port
from wait import wait_for
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

    def begin(self):
        """Enrich once more, until it works."""
        enrich = self.workers["enrich"]
        before = enrich.log.read_text().count("working on")
        enrich.start()
        wait_for("enrich", 60, lambda: enrich.log.read_text().count("working on") > before or enrich.tail(3))

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


def test_rows_with_too_many_facts_together_are_asked_for_apart(world):
    """No signal asks for more than refresh_rows_max, which is 60 by now."""
    with postgres() as pg:
        pg.execute(f"INSERT INTO {world.schema}.kinds VALUES (11, 'a'), (12, 'b'), (13, 'c'), (14, 'd')")
        pg.execute(f"INSERT INTO {world.schema}.items SELECT n, n / 1000 + 10 FROM generate_series(1000, 4039) n "
                   "WHERE n % 1000 < 35")
        wait_for("the new facts", 60, lambda: [len(world.titles(k)) for k in (11, 12, 13, 14)] == [35, 35, 35, 35])
        seen, alarms = world.metric("sluice_refresh_signals_total"), len(world.alarms())
        pg.execute(f"UPDATE {world.schema}.kinds SET title = 'new' WHERE id > 10 AND id < 14 OR id = 2")
        wait_for("all of them", 60, lambda: [set(world.titles(k)) for k in (11, 12, 13, 2)] == [{"new"}] * 4)
        assert world.metric("sluice_refresh_signals_total") - seen == 3  # 5 + 35, 35, 35
        asked = [json.loads(data)["additional-conditions"][0]["filter"] for data, in pg.execute(
            f"SELECT data FROM {world.schema}.signals WHERE type = 'execute-snapshot' ORDER BY ctid DESC LIMIT 3")]
        facts = [pg.execute(f"SELECT count(*) FROM {world.schema}.items WHERE {f}").fetchone()[0] for f in asked]
        assert len(facts) == 3 and max(facts) <= 60, asked
    assert len(world.alarms()) == alarms and set(world.titles(14)) == {"d"}


def test_a_count_that_is_cancelled_found_too_many(world):
    """As by statement_timeout. One that waits for a lock is made again."""
    def change(title, cancel):
        with postgres() as pg, postgres() as other, other.transaction():
            other.execute(f"LOCK TABLE {world.schema}.items IN ACCESS EXCLUSIVE MODE")
            pg.execute(f"UPDATE {world.schema}.kinds SET title = %s WHERE id = 14", (title,))

            def seen():
                if not cancel:
                    return "lock timeout" in world.workers["enrich"].log.read_text()
                pg.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                           f"query LIKE 'SELECT count(*) FROM (SELECT FROM \"{world.schema}\"%%'")
                return len(world.alarms()) > alarms
            wait_for("the count's end", 60, seen, every=0.1)

    alarms = len(world.alarms())
    change("waited", False)
    wait_for("its facts", 60, lambda: set(world.titles(14)) == {"waited"})
    assert len(world.alarms()) == alarms
    change("cancelled", True)
    assert f"{world.schema}.kinds ('14'::integer) changed and has more facts than Postgres counts in time" in world.alarms()[-1]
    with postgres() as pg:  # it goes on with the next
        pg.execute(f"UPDATE {world.schema}.kinds SET title = 'next' WHERE id = 13")
        wait_for("its facts", 60, lambda: set(world.titles(13)) == {"next"})
        assert set(world.titles(14)) == {"waited"}
        pg.execute(f"UPDATE {world.schema}.kinds SET title = 'again' WHERE id = 14")
        wait_for("its facts", 60, lambda: set(world.titles(14)) == {"again"})


def test_counts_do_not_keep_facts_and_sigterm_waiting(world):
    """Hundreds of rows whose facts are counted slowly: the stream goes on meanwhile, and what was not asked for is,
    by the next process."""
    role, enrich, rows = f"slow_{uuid.uuid4().hex[:8]}", world.workers["enrich"], 300

    def restart_as(user):
        conf = json.loads(world.pipeline.read_text())
        conf["postgres"]["user"] = user
        world.pipeline.write_text(json.dumps(conf))
        assert enrich.stop(20) == 0
        world.begin()

    with postgres() as pg:
        pg.execute(f"INSERT INTO {world.schema}.kinds SELECT 1000 + n, 'quick' FROM generate_series(1, {rows}) n")
        pg.execute(f"INSERT INTO {world.schema}.items SELECT 10000 + n, 1000 + n FROM generate_series(1, {rows}) n")

        def titles():
            last = {r[0]["id"]: r[1]["title"] for r in world.records() if r[1] and r[0]["id"] > 10000}
            return [list(last.values()).count(title) for title in ("quick", "slow")]
        wait_for("the facts", 60, lambda: titles() == [rows, 0])
        pg.execute(f"""
            SET search_path TO {world.schema};
            CREATE ROLE {role} LOGIN;
            GRANT pg_read_all_data, pg_write_all_data TO {role};
            CREATE FUNCTION slowly() RETURNS bool LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.1); RETURN true; END';
            CREATE POLICY counted ON items USING ({world.schema}.slowly());
            ALTER TABLE items ENABLE ROW LEVEL SECURITY""")
        try:
            restart_as(role)
            pg.execute(f"UPDATE {world.schema}.kinds SET title = 'slow' WHERE id > 1000")
            wait_for("a row's count", 60, lambda: pg.execute(
                "SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = %s AND query LIKE 'SELECT count(*) FROM (SELECT FROM %%' "
                "AND query NOT LIKE '%%,(%%'", (role,)).fetchone()[0], every=0.05)
            pg.execute(f"INSERT INTO {world.schema}.items VALUES (501, 2)")
            wait_for("the new fact", 60, lambda: 501 in [r[0]["id"] for r in world.records()])
            assert world.metric("sluice_refresh_keys_total") < rows
        finally:
            pg.execute(f"ALTER TABLE {world.schema}.items DISABLE ROW LEVEL SECURITY")
            restart_as("postgres")
            pg.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
        wait_for("all of them", 60, lambda: titles() == [0, rows])


def test_a_backlog_of_dimension_rows_is_asked_for_in_pieces(world):
    """Changed rows are not gathered without a bound, however many have come while enrich was away."""
    enrich, rows = world.workers["enrich"], 8000
    assert enrich.stop() == 0
    before = sum(world.records_end(world.topic("kinds")))
    with postgres() as pg:
        pg.execute(f"INSERT INTO {world.schema}.kinds SELECT 20000 + n, 'late' FROM generate_series(1, {rows}) n")
        wait_for("the rows", 60, lambda: sum(world.records_end(world.topic("kinds"))) - before >= rows)
        pg.execute(f"INSERT INTO {world.schema}.items VALUES (502, 20001), (503, {20000 + rows})")
        last = pg.execute(f"SELECT max(ctid) FROM {world.schema}.signals").fetchone()[0]
        world.begin()
        wait_for("the keys", 60, lambda: world.metric("sluice_refresh_keys_total") == rows or world.metric("sluice_refresh_keys_total"))
        asked = [json.loads(data)["additional-conditions"][0]["filter"].count("::integer") for data, in pg.execute(
            f"SELECT data FROM {world.schema}.signals WHERE type = 'execute-snapshot' AND ctid > %s", (last,))]
        assert sum(asked) == rows and max(asked) <= 1001, asked  # a message may come before its partition is held
    wait_for("their facts", 60, lambda: {r[0]["id"]: r[1]["title"] for r in world.records() if r[0]["id"] in (502, 503)} ==
             {502: "late", 503: "late"})


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
        # What the slot has confirmed is where it was made: row 102 is before that, and in no topic.
        code, out = world.sluicectl("verify", "--timeout", "4s")
        assert code == 3 and "first snapshot" in out, out
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
