# SPDX-License-Identifier: Apache-2.0
"""A dimension row with many facts. Runs behind the other files: its facts stay in the table."""
import random
import time

import pytest

from engagement import postgres
from test_dimension import content, facts

BIG = "b16b0000-0000-4000-8000-000000000001"
BIG_FACTS = 100_000


@pytest.mark.slow
def test_dimension_update_big(stream, seed):
    """One row with 100,000 facts changes, and enrich is killed while they come again."""
    dice = random.Random(seed)
    with postgres() as pg:
        if not pg.execute("SELECT FROM content WHERE id = %s", (BIG,)).fetchall():
            content(pg, BIG, dice)
        missing = BIG_FACTS - pg.execute(
            "SELECT count(*) FROM engagement_events WHERE content_id = %s", (BIG,)).fetchone()[0]
        if missing > 0:
            facts(pg, BIG, missing)
            stream.caught_up()
        pg.execute("UPDATE content SET length_seconds = %s WHERE id = %s", (dice.randint(1, 1 << 30), BIG))
    for _ in range(3):
        time.sleep(dice.uniform(0.3, 1.5))
        stream.workers["enrich"].kill()
        stream.workers["enrich"].start()
    stream.check()
