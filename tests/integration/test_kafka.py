# SPDX-License-Identifier: Apache-2.0
"""lib/link's Kafka clients against a real broker, judged by confluent-kafka.

build/gcc/tests/bench/kafka_copy is the smallest worker over them. It is killed with
-9 while it copies; every record must arrive once, in order, in its own partition.
"""
import os
import random
import re
import signal
import subprocess
import time
import uuid

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BROKERS = os.environ.get("SLUICE_KAFKA", "127.0.0.1:29192")
COPY = os.environ.get("SLUICE_KAFKA_COPY", "build/gcc/tests/bench/kafka_copy")
KILLS = int(os.environ.get("SLUICE_KILLS", "5"))
SEED = int(os.environ.get("SLUICE_SEED", str(int(time.time()))))
PARTS = 4
COUNT = 200_000


@pytest.fixture
def topics():
    admin = AdminClient({"bootstrap.servers": BROKERS})
    prefix = f"linktest-{uuid.uuid4().hex[:8]}"
    names = [f"{prefix}.in", f"{prefix}.out"]
    for future in admin.create_topics([NewTopic(n, PARTS, 1) for n in names]).values():
        future.result(20)
    yield prefix, *names
    for future in admin.delete_topics(names).values():
        future.result(20)
    # the group goes by itself: its static members stay until their session ends


def fill(topic, count):
    producer = Producer({"bootstrap.servers": BROKERS, "linger.ms": 20, "enable.idempotence": True,
                         "queue.buffering.max.messages": count + 1})
    for i in range(count):
        producer.produce(topic, key=str(i), value=f"v{i}" if i % 7 else None, partition=i % PARTS)
    assert producer.flush(60) == 0


def read_all(topic):
    consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": f"{topic}.check", "isolation.level": "read_committed",
                         "enable.auto.commit": False, "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTS)])
    got, ended, deadline = [], set(), time.time() + 60
    while len(ended) < PARTS:
        assert time.time() < deadline, f"{len(got)} records, ends of {ended}"
        for m in consumer.consume(10_000, 0.5):
            if m.error():
                assert m.error().name() == "_PARTITION_EOF", m.error()
                ended.add(m.partition())
            else:
                got.append((m.partition(), m.offset(), m.key(), m.value(), dict(m.headers() or [])))
    consumer.close()
    return got


def start(prefix, slot, source, target, batch, *more):
    return subprocess.Popen([COPY, BROKERS, f"{prefix}.group", slot, source, target, str(batch), *more],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, seconds=90):
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(process.communicate()[1][-4000:]) from None
    assert process.returncode == 0, (process.returncode, err[-4000:])
    return {k: int(v) for k, v in re.findall(r"(\w+)=(-?\d+)", out)}, err


def check_exact(source, target, count):
    want = [(p, k, v, f"{source}/{p}/{o}".encode()) for p, o, k, v, _ in read_all(source)]
    got = [(p, k, v, h["sluice.source"]) for p, _, k, v, h in read_all(target)]
    assert len(want) == count
    assert len(got) == len(set(g[3] for g in got)), "duplicates"
    for part in range(PARTS):
        assert [g for g in got if g[0] == part] == [w for w in want if w[0] == part], f"partition {part}"


def committed(prefix, source):
    admin = AdminClient({"bootstrap.servers": BROKERS})
    asked = ConsumerGroupTopicPartitions(f"{prefix}.group", [TopicPartition(source, p) for p in range(PARTS)])
    future = admin.list_consumer_group_offsets([asked])[f"{prefix}.group"]
    return {t.partition: (t.offset, t.metadata) for t in future.result(20).topic_partitions}


def test_copies_everything_once_with_its_offsets(topics):
    prefix, source, target = topics
    fill(source, 20_000)
    figures, _ = finish(start(prefix, "0", source, target, 1000, "until-end"))
    assert figures["copied"] == 20_000 and figures["aborts"] == 0 and figures["recreated"] == 0
    check_exact(source, target, 20_000)
    offsets = committed(prefix, source)
    assert {p: o for p, (o, _) in offsets.items()} == {p: 5000 for p in range(PARTS)}
    assert all(re.fullmatch(r"n=\d+", m) for _, m in offsets.values()), offsets


def test_kill_9_loses_and_repeats_nothing(topics):
    prefix, source, target = topics
    dice = random.Random(SEED)
    print(f"seed {SEED}")
    fill(source, COUNT)
    for _ in range(KILLS):
        process = start(prefix, "0", source, target, 200)
        time.sleep(dice.uniform(0.6, 1.6))
        assert process.poll() is None, process.communicate()[1][-4000:]
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = sum(o for o, _ in committed(prefix, source).values() if o > 0)
    assert 0 < done < COUNT, f"the kills hit nothing: {done} of {COUNT} copied"
    finish(start(prefix, "0", source, target, 5000, "until-end"))
    check_exact(source, target, COUNT)


def test_two_members_share_and_one_leaves(topics):
    prefix, source, target = topics
    fill(source, COUNT // 2)
    first = start(prefix, "0", source, target, 100)
    time.sleep(0.8)
    second = start(prefix, "1", source, target, 100)
    time.sleep(4)
    second.send_signal(signal.SIGTERM)
    shared, _ = finish(second)
    assert shared["copied"] > 0, "the second member never owned a partition"
    first.send_signal(signal.SIGTERM)
    finish(first)
    finish(start(prefix, "0", source, target, 5000, "until-end"))
    # the closed static member keeps its partitions until its session ends
    time.sleep(11)
    finish(start(prefix, "0", source, target, 5000, "until-end"))
    check_exact(source, target, COUNT // 2)


def test_sigstop_past_the_session_is_fenced_and_exact(topics):
    """The zombie's transaction is refused; its successor (same slot) copies the rest."""
    prefix, source, target = topics
    fill(source, COUNT // 2)
    zombie = start(prefix, "0", source, target, 100)
    time.sleep(1.5)
    zombie.send_signal(signal.SIGSTOP)
    time.sleep(0.2)
    successor = start(prefix, "0", source, target, 100)
    time.sleep(2)
    zombie.send_signal(signal.SIGCONT)
    try:
        zombie.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        raise AssertionError("the zombie goes on") from None
    assert zombie.returncode == 3
    successor.send_signal(signal.SIGKILL)
    successor.communicate()
    finish(start(prefix, "0", source, target, 5000, "until-end"))
    check_exact(source, target, COUNT // 2)
