# SPDX-License-Identifier: Apache-2.0
"""A receiver that is away for a while, then busy: sluice-http waits, and does not hammer; and a worker
that stands still until others have its partitions."""
import os
import random
import signal
import subprocess
import time

import pytest

from wait import wait_for
from webhooks import BIN, Receiver, Webhooks

DOWN_S = 60 if os.environ.get("SLUICE_FAULT_N") else 5  # make fault: the long form
NETWORK = 'sluice_http_answers_total{class="network"}'


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


@pytest.mark.slow
def test_http_zombie(tmp_path, seed):
    """One stands still with requests in flight, another takes its partitions; then it wakes up."""
    dice, receiver = random.Random(seed), Receiver(tmp_path).start([{"delay_ms": 20, "times": 0}])
    pipeline, second = Webhooks(tmp_path, receiver.url), None

    def send():
        for _ in range(4000):
            pipeline.change(dice.randrange(300), op="u")
        pipeline.flush()

    try:
        send()
        pipeline.start()
        wait_for("deliveries", 60, lambda: receiver.stats()["distinct"] > 300, every=0.01)
        pipeline.process.send_signal(signal.SIGSTOP)
        with open(tmp_path / "second.log", "wb") as log:
            second = subprocess.Popen([BIN / "sluice-http", "--pipeline", pipeline.file, "--slot", "1", "--listen", "-"], stderr=log)
        pipeline.caught_up(90)  # its session has ended
        pipeline.process.send_signal(signal.SIGCONT)
        receiver.script([])
        send()
        pipeline.caught_up(90)
        stats = receiver.stats()
        assert set(receiver.ids()) == set(pipeline.sent) and stats["distinct"] == 8000
        assert stats["order_violations"] == 0 and stats["duplicates"] <= 4000
        assert second.poll() is None and pipeline.process.poll() in (None, 3)
        second.terminate()
        assert second.wait(timeout=40) == 0
    finally:
        pipeline.close()
        if second and second.poll() is None:
            second.kill()
        receiver.stop()
