# SPDX-License-Identifier: Apache-2.0
"""sluice-enrich killed, stopped, joined by others and asked to leave, while records come."""
import os
import random
import signal
import time

import confluent_kafka
import pytest

from engagement import ENRICHED, SOURCE
from lookup import Lookup
from wait import wait_for


def test_enrich_kill(stream, seed):
    dice = random.Random(seed)
    generate = stream.generate(2000, seed)
    for _ in range(4):
        time.sleep(dice.uniform(0.2, 1.2))
        stream.workers["enrich"].kill()
        stream.workers["enrich"].start()
    stream.check(generate)


def test_sigterm_drain(stream, seed):
    """SIGTERM in mid-batch: it finishes or leaves the batch, and nothing is done twice."""
    dice = random.Random(seed)
    generate = stream.generate(2000, seed)
    for _ in range(3):
        time.sleep(dice.uniform(0.6, 1.2))
        began = time.monotonic()
        assert stream.workers["enrich"].stop(timeout=20) == 0, stream.workers["enrich"].tail()
        assert time.monotonic() - began < 20
        stream.workers["enrich"].start()
    stream.check(generate)


@pytest.mark.slow
def test_enrich_dead_transaction(stream, seed):
    """The predecessor died with records and offsets in an open transaction: its successor ends that
    before it asks where the group stands, rather than wait a minute until it expires."""
    enrich, broker = stream.workers["enrich"], {"bootstrap.servers": os.environ["SLUICE_KAFKA"]}
    stream.generate(50, seed).process.wait(timeout=30)
    stream.caught_up()
    enrich.kill()
    stream.generate(200, seed).process.wait(timeout=30)
    dead = confluent_kafka.Producer({**broker, "transactional.id": "engagement.enrich-0", "transaction.timeout.ms": 60000})
    dead.init_transactions(20)
    dead.begin_transaction()
    ends = stream.ends(SOURCE)
    for partition in ends:
        dead.produce(ENRICHED, key='{"id":-1}', value="torn", partition=partition)
    dead.flush(20)
    group = confluent_kafka.Consumer({**broker, "group.id": "engagement.enrich"})
    dead.send_offsets_to_transaction([confluent_kafka.TopicPartition(SOURCE, p, end) for p, end in ends.items()],
                                     group.consumer_group_metadata(), 20)
    group.close()
    began = time.monotonic()
    enrich.start()
    stream.check()
    assert time.monotonic() - began < 50, "it waited until the transaction expired"
    del dead  # kept until here: a client that closes would abort it


@pytest.mark.slow
def test_enrich_stop_zombie(stream, seed):
    """Stopped with a batch in hand for longer than its session; the other takes over; the
    zombie wakes, and its transaction is refused."""
    dice = random.Random(seed)
    zombie = stream.workers["enrich"]
    generate = stream.generate(2000, seed)
    time.sleep(dice.uniform(0.3, 1.0))
    lookup = Lookup()
    try:
        lookup.hold()
        zombie.process.send_signal(signal.SIGSTOP)
    finally:
        lookup.release()
    before = zombie.log.stat().st_size
    stream.slot(1)
    ends = stream.ends(SOURCE)
    wait_for("the take-over", 40, lambda: stream.behind("enrich", SOURCE, ends))
    zombie.process.send_signal(signal.SIGCONT)
    refused = ("event=abort", "kafka_txn", "FENCED", "exit=3")
    wait_for("the refusal", 20, lambda: any(
        word in zombie.log.read_text(errors="replace")[before:] for word in refused) or zombie.tail(5))
    stream.check(generate)


def test_enrich_scale(stream, seed):
    """1 -> 3 -> 2 workers under load."""
    dice = random.Random(seed)
    generate = stream.generate(2500, seed)
    for slot in (1, 2):
        time.sleep(dice.uniform(0.2, 0.8))
        stream.slot(slot)
    time.sleep(dice.uniform(0.5, 1.5))
    assert stream.drop_slot(dice.choice((1, 2))) == 0
    stream.check(generate)
