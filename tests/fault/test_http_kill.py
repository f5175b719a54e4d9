# SPDX-License-Identifier: Apache-2.0
"""sluice-http killed with -9 amid deliveries, and a receiver that is away: every id arrives, order a
key never goes back (I4)."""
import os
import random
import time

import pytest

from webhooks import SECRET, Receiver, Webhooks, wait_for

CHANGES, KEYS, WINDOW = 4000, 300, 10000
DOWN_S = 60 if os.environ.get("SLUICE_FAULT_N") else 5  # make fault: the long form
NETWORK = 'sluice_http_answers_total{class="network"}'


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


@pytest.mark.slow
def test_http_down(tmp_path, seed):
    """Nobody there for a minute, then 429 with Retry-After, then up: nothing lost, nothing hammered."""
    dice, receiver = random.Random(seed), Receiver(tmp_path)
    pipeline = Webhooks(tmp_path, receiver.url, pause_max="2s")
    try:
        for _ in range(2000):
            pipeline.change(dice.randrange(100), op="u")
        pipeline.flush()
        pipeline.start()
        pipeline.waits("127.0.0.1")
        began, before = time.monotonic(), pipeline.metric(NETWORK)
        wait_for("the time without a receiver", DOWN_S + 10, lambda: time.monotonic() - began >= DOWN_S)
        asked, passed = pipeline.metric(NETWORK) - before, time.monotonic() - began
        assert passed / 2 - 2 <= asked <= 1 + passed / 0.2, "probes are at least 0.2 s apart and at most 2 s"
        assert pipeline.process.poll() is None, pipeline.tail()
        began = time.monotonic()
        receiver.start([{"status": 429, "retry_after": "2", "times": 0}])
        wait_for("three refusals", 30, lambda: receiver.stats()["requests"] >= 3)
        stats, passed = receiver.stats(), time.monotonic() - began
        assert stats["answered_error"] <= 1 + passed / 2, "requests went out before Retry-After had passed"
        assert stats["events"] == 0
        receiver.script([])
        pipeline.caught_up(90)
        stats = receiver.stats()
        assert stats["distinct"] == 2000 and set(receiver.ids()) == set(pipeline.sent)
        assert stats["order_violations"] == 0
        assert pipeline.dead_letters() == []
        assert pipeline.stop() == 0
    finally:
        pipeline.close()
        if receiver.process and receiver.process.poll() is None:
            receiver.stop()
