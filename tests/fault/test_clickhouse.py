# SPDX-License-Identifier: Apache-2.0
"""The ClickHouse sink and its server die while rows go in."""
import random
import threading
import time

SINKS = ("clickhouse",)


def test_clickhouse_kill(stream, seed):
    """The server dies while it inserts, and the worker that inserts."""
    dice = random.Random(seed)
    generate = stream.generate(2000, seed)
    for _ in range(2):
        time.sleep(dice.uniform(0.3, 0.9))
        stream.kill_server("clickhouse")
        up = threading.Thread(target=stream.up, args=("clickhouse",))
        up.start()
        time.sleep(dice.uniform(0, 0.5))
        stream.workers["clickhouse"].kill()
        stream.workers["clickhouse"].start()
        up.join()
    stream.check(generate)
