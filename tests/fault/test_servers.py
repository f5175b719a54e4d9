# SPDX-License-Identifier: Apache-2.0
"""The servers around the workers die and come back."""
import random
import time

import pytest

from lookup import Lookup


@pytest.mark.slow
def test_broker_kill(stream, seed):
    """Connect is killed with it: left alone, it may give up a task that waits for its broker, and
    that one keeps Debezium's slot for ever."""
    dice = random.Random(seed)
    generate = stream.generate(2000, seed)
    time.sleep(dice.uniform(0.5, 1.5))
    stream.kill_server("kafka")
    stream.kill_server("connect")
    time.sleep(dice.uniform(0, 1))
    stream.up("kafka", "connect")
    stream.check(generate)


@pytest.mark.slow
def test_postgres_restart(stream, seed):
    """Postgres goes while a lookup waits in it; the batch is kept and asked again."""
    dice = random.Random(seed)
    generate = stream.generate(1000, seed)
    assert generate.process.wait(timeout=60) == 0, generate.tail()
    lookup = Lookup()
    lookup.hold()
    assert not stream.transaction_is_open(), "a transaction is open while Postgres is asked"
    time.sleep(dice.uniform(0, 0.5))
    if dice.random() < 0.5:
        stream.kill_server("postgres")
    else:
        stream.down("postgres")
    time.sleep(dice.uniform(0, 1))
    stream.up("postgres")
    stream.restart_connector()
    stream.check(stream.generate(500, seed))
