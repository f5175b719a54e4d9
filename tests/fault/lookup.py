# SPDX-License-Identifier: Apache-2.0
from engagement import postgres
from wait import wait_for


class Lookup:
    """Holds enrich in the middle of a batch: its lookup waits for a lock on the dimension."""

    def __init__(self):
        self.blocker = postgres()
        self.blocker.autocommit = False

    def hold(self):
        self.blocker.execute("LOCK TABLE content IN ACCESS EXCLUSIVE MODE")
        with postgres() as pg:
            pg.execute("INSERT INTO engagement_events (content_id, user_id, event_type, event_ts) "
                       "SELECT gen_random_uuid(), gen_random_uuid(), 'play', now() FROM generate_series(1, 40)")
            wait_for("a blocked lookup", 20, lambda: pg.execute(
                "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'sluice_enrich'"
            ).fetchone()[0], every=0.02)

    def release(self):
        self.blocker.rollback()
        self.blocker.close()
