# SPDX-License-Identifier: Apache-2.0
"""sluice-http killed with -9 amid deliveries: every id arrives, order a key never goes back (I4)."""
import random

import pytest

from wait import wait_for
from webhooks import SECRET, Receiver, Webhooks

CHANGES, KEYS, WINDOW = 4000, 300, 10000


@pytest.fixture(scope="module")
def hooks(tmp_path_factory):
    """One pipeline and one receiver for all runs: what a run repeats, the next would see."""
    folder = tmp_path_factory.mktemp("hooks")
    receiver = Receiver(folder, "--secret", SECRET).start()
    pipeline = Webhooks(folder, receiver.url, secret=SECRET, pause_max="2s").start()
    yield pipeline, receiver
    try:
        assert pipeline.stop() == 0, pipeline.tail()
        assert pipeline.dead_letters() == []
    finally:
        pipeline.close()
        receiver.stop()


def test_http_kill(hooks, seed):
    """Once, at random, while answers are slow and some are lost; then all must be there."""
    pipeline, receiver = hooks
    dice, before = random.Random(seed), receiver.stats()
    receiver.script([{"delay_ms": dice.randrange(5, 40), "times": dice.randrange(100, CHANGES)},
                     {"close": True, "times": 2}])
    for _ in range(CHANGES):
        pipeline.change(dice.randrange(KEYS), op=dice.choice("cuuud"))
    pipeline.flush()
    target = before["distinct"] + dice.randrange(1, CHANGES)
    wait_for("deliveries", 60, lambda: receiver.stats()["distinct"] >= target, every=0.01)
    pipeline.kill()
    pipeline.start()
    pipeline.caught_up(90)
    stats = receiver.stats()
    assert set(receiver.ids()) == set(pipeline.sent)
    assert stats["distinct"] == before["distinct"] + CHANGES
    assert stats["order_violations"] == 0 and stats["bad_signature"] == 0
    assert stats["duplicates"] - before["duplicates"] <= WINDOW, "more repeats than the window holds"
