# SPDX-License-Identifier: Apache-2.0
"""Dimension rows that come late, change and go, while enrich is killed: the facts that were sent
with what was known before are sent again, and end at what the query says."""
import random
import time
import uuid

from engagement import SOURCE, postgres


def content(pg, key, dice):
    pg.execute("INSERT INTO content (id, slug, title, content_type, length_seconds, publish_ts) "
               "VALUES (%s, %s, 'fault', %s, %s, now())",
               (key, f"fault-{key}", dice.choice(("podcast", "video")), dice.randint(1, 5000)))


def facts(pg, key, count):
    pg.execute("INSERT INTO engagement_events (content_id, user_id, event_type, event_ts, duration_ms) "
               "SELECT %s, gen_random_uuid(), 'play', now(), n FROM generate_series(1, %s) n", (key, count))


def _some(pg, dice, count=40):
    """Contents with facts that enrich has sent or is about to send."""
    keys = [str(uuid.uuid4()) for _ in range(3)]
    for key in keys:
        content(pg, key, dice)
        facts(pg, key, count)
    return keys


def _perhaps_kill(stream, dice):
    """Also in the second in which changed rows are gathered, before their signal."""
    for _ in range(dice.randint(0, 2)):
        time.sleep(dice.uniform(0, 0.9))
        stream.workers["enrich"].kill()
        stream.workers["enrich"].start()


def test_dimension_late(stream, seed):
    dice = random.Random(seed)
    keys = [str(uuid.uuid4()) for _ in range(3)]
    with postgres() as pg:
        for key in keys:
            facts(pg, key, 40)
        if dice.random() < 0.7:
            stream.caught_up()
        for key in keys:
            content(pg, key, dice)
    _perhaps_kill(stream, dice)
    stream.check()


def test_dimension_update(stream, seed):
    dice = random.Random(seed)
    with postgres() as pg:
        keys = _some(pg, dice)
        stream.caught_up()
        for _ in range(3):
            pg.execute("UPDATE content SET length_seconds = %s, content_type = 'newsletter' WHERE id = %s",
                       (dice.randint(1, 5000), dice.choice(keys)))
            if dice.random() < 0.5:
                facts(pg, dice.choice(keys), 10)
            time.sleep(dice.uniform(0, 0.3))
    _perhaps_kill(stream, dice)
    stream.check()


def test_dimension_delete(stream, seed):
    dice = random.Random(seed)
    with postgres() as pg:
        keys = _some(pg, dice)
        stream.caught_up()
        pg.execute("DELETE FROM content WHERE id = ANY(%s::uuid[])", (keys[:2],))
        if dice.random() < 0.5:
            content(pg, keys[0], dice)
    _perhaps_kill(stream, dice)
    stream.check()


def test_dimension_open(stream, seed):
    """A transaction has changed the row and is open while facts look it up: they see the row as
    it was, and are sent again when it commits."""
    dice = random.Random(seed)
    with postgres() as pg, postgres() as other:
        keys = _some(pg, dice, 1)
        late = str(uuid.uuid4())
        other.autocommit = False
        other.execute("UPDATE content SET length_seconds = length_seconds + 7 WHERE id = %s", (keys[0],))
        other.execute("DELETE FROM content WHERE id = %s", (keys[1],))
        content(other, late, dice)
        for key in (*keys, late):
            facts(pg, key, 20)
        if dice.random() < 0.7:
            source = stream.ends(SOURCE)
            stream.enrich_passes(source)
        time.sleep(dice.uniform(0, 0.5))
        other.commit()
        for key in (*keys, late):
            facts(pg, key, 5)
    _perhaps_kill(stream, dice)
    stream.check()
