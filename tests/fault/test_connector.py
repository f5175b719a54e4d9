# SPDX-License-Identifier: Apache-2.0
"""Debezium dies, and takes snapshots while a transaction is open: its changes come after the rows
that the snapshot saw, sometimes with a smaller LSN, and the later value wins."""
import json
import os
import random
import time

import httpx
import pytest

from engagement import SOURCE, postgres
from harness import CONNECTOR
from wait import wait_for

KEYS = 120


def _facts(pg, dice):
    """Facts of one content that is not there; returns their keys and that content."""
    content = pg.execute("SELECT gen_random_uuid()").fetchone()[0]
    rows = pg.execute(
        "INSERT INTO engagement_events (content_id, user_id, event_type, event_ts, duration_ms) "
        "SELECT %s, gen_random_uuid(), 'play', now(), n FROM generate_series(1, %s) n RETURNING id", (content, KEYS))
    keys = [row[0] for row in rows]
    dice.shuffle(keys)
    return keys, content


def _change(pg, keys, duration):
    """Of everything that can be done to a row."""
    third = len(keys) // 3
    pg.execute("UPDATE engagement_events SET duration_ms = %s WHERE id = ANY(%s)", (duration, keys[:third]))
    pg.execute("DELETE FROM engagement_events WHERE id = ANY(%s)", (keys[third:third + 10],))
    pg.execute("UPDATE engagement_events SET id = id + 1000000000000 WHERE id = ANY(%s)", (keys[third + 10:third + 15],))
    pg.execute("INSERT INTO engagement_events (content_id, user_id, event_type, event_ts, duration_ms) "
               "SELECT content_id, user_id, 'click', event_ts, %s FROM engagement_events WHERE id = ANY(%s)",
               (duration, keys[-10:]))


def _snapshot_rows_come(stream, before, least):
    """So many more records than before stand in the source topic."""
    wait_for("the snapshot", 60, lambda: sum(stream.ends(SOURCE).values()) - before >= least, every=0.05)


@pytest.mark.slow
def test_connect_kill(stream, seed):
    """Debezium dies in mid-stream and sends again what it had not marked as sent."""
    dice = random.Random(seed)
    generate = stream.generate(2000, seed)
    time.sleep(dice.uniform(0.3, 1.8))
    stream.kill_server("connect")
    stream.up("connect")
    wait_for("the connector", 60, stream.connector_runs, every=0.5)
    stream.check(generate)


@pytest.mark.slow
def test_snapshot_initial(stream, seed):
    """The connector forgets where it was, and takes its initial snapshot again."""
    dice = random.Random(seed)
    api = httpx.Client(base_url=f"{os.environ['SLUICE_CONNECT']}/connectors/{CONNECTOR}", timeout=60)
    with postgres() as pg, postgres() as other:
        keys, _ = _facts(pg, dice)
        stream.caught_up()
        api.put("/stop").raise_for_status()
        wait_for("the connector's stop", 60, lambda: api.get("/status").json()["connector"]["state"] == "STOPPED", every=0.1)
        wait_for("forgotten offsets", 60, lambda: api.delete("/offsets").status_code == 200, every=0.1)
        other.autocommit = False
        _change(other, keys, 1)
        with pg.transaction():  # which only the snapshot sees, so nothing is deleted
            gap = pg.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
            pg.execute("UPDATE engagement_events SET duration_ms = 2 WHERE id = ANY(%s)", (_facts(pg, dice)[0][:50],))
        before = sum(stream.ends(SOURCE).values())
        api.put("/resume").raise_for_status()
        _snapshot_rows_come(stream, before, dice.choice((1, KEYS)))
        _change(pg, _facts(pg, dice)[0], 3)
        other.commit()
    wait_for("the connector", 60, stream.connector_runs)
    stream.check(gap=gap)


def test_snapshot_incremental(stream, seed):
    """Rows of an incremental snapshot have no LSN at all; a transaction that changed them before it
    commits while the snapshot runs or when it is over."""
    dice = random.Random(seed)
    with postgres() as pg, postgres() as other:
        keys, content = _facts(pg, dice)
        stream.caught_up()
        before = sum(stream.ends(SOURCE).values())
        other.autocommit = False
        _change(other, keys, 1)
        data = {"data-collections": ["public.engagement_events"], "type": "INCREMENTAL", "additional-conditions": [
            {"data-collection": "public.engagement_events", "filter": f"content_id = '{content}'"}]}
        pg.execute("INSERT INTO sluice_signal (id, type, data) VALUES (%s, 'execute-snapshot', %s)",
                   (f"fault-{content}", json.dumps(data)))
        if dice.random() < 0.5:
            _snapshot_rows_come(stream, before, dice.choice((1, KEYS)))
        else:
            time.sleep(dice.uniform(0, 0.5))
        other.commit()
        pg.execute("UPDATE engagement_events SET duration_ms = 3 WHERE id = ANY(%s)", (keys[-30:],))
    stream.check()
