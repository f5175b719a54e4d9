# SPDX-License-Identifier: Apache-2.0
"""sluice-http killed with -9 amid deliveries: every id arrives, order a key never goes back.

SLUICE_FAULT_N kills (3), SLUICE_FAULT_SEED; each is a line in SLUICE_FAULT_LOG when that is set."""
import json
import os
import pathlib
import random
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

from webhooks import SECRET, Receiver, Webhooks, wait_for  # noqa: E402

KILLS = int(os.environ.get("SLUICE_FAULT_N") or 3)
SEED = int(os.environ.get("SLUICE_FAULT_SEED") or random.SystemRandom().randrange(1 << 32))
CHANGES, KEYS, WINDOW = 4000, 300, 10000


def note(result):
    path = os.environ.get("SLUICE_FAULT_LOG")
    if not path:
        return
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    with open(ROOT / path, "a") as log:
        log.write(json.dumps({"commit": commit.strip(), "fault": "http_kill", "seed": SEED, "result": result}) + "\n")


def one_kill(dice, number, pipeline, receiver):
    """Kills once, at random, while answers are slow and some are lost; then all must be there."""
    receiver.script([{"delay_ms": dice.randrange(5, 40), "times": dice.randrange(100, CHANGES)},
                     {"close": True, "times": 2}])
    for _ in range(CHANGES):
        pipeline.change(dice.randrange(KEYS), op=dice.choice("cuuud"))
    pipeline.flush()
    target = number * CHANGES + dice.randrange(1, CHANGES)
    wait_for("deliveries", 60, lambda: receiver.stats()["distinct"] >= target, every=0.01)
    pipeline.kill()
    pipeline.start()
    pipeline.caught_up(90)
    stats = receiver.stats()
    assert set(receiver.ids()) == set(pipeline.sent)
    assert stats["distinct"] == (number + 1) * CHANGES
    assert stats["order_violations"] == 0 and stats["bad_signature"] == 0
    return stats["duplicates"]


def test_http_kill(tmp_path):
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    receiver = Receiver(tmp_path, "--secret", SECRET).start()
    pipeline = Webhooks(tmp_path, receiver.url, secret=SECRET, pause_max="2s").start()
    duplicates = 0
    try:
        for number in range(KILLS):
            try:
                now = one_kill(dice, number, pipeline, receiver)
                assert now - duplicates <= WINDOW, "more repeats than the window holds"
                duplicates = now
            except AssertionError:
                note("failed")
                raise
            note("passed")
        assert pipeline.stop() == 0
        assert pipeline.dead_letters() == []
    finally:
        pipeline.close()
        receiver.stop()
