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
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import offsets

BROKERS = os.environ.get("SLUICE_KAFKA", "127.0.0.1:29192")
COPY = os.environ.get("SLUICE_KAFKA_COPY", "build/gcc/tests/bench/kafka_copy")
ADMIN = os.environ.get("SLUICE_KAFKA_ADMIN", "build/gcc/tests/bench/kafka_admin")
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
    return offsets.committed(BROKERS, f"{prefix}.group", source)


def test_copies_everything_once_with_its_offsets(topics):
    prefix, source, target = topics
    fill(source, 20_000)
    figures, _ = finish(start(prefix, "0", source, target, 1000, "until-end"))
    assert figures["copied"] == 20_000 and figures["aborts"] == 0 and figures["recreated"] == 0
    check_exact(source, target, 20_000)
    at = committed(prefix, source)
    assert {p: o for p, (o, _) in at.items()} == {p: 5000 for p in range(PARTS)}
    assert all(re.fullmatch(r"n=\d+", m) for _, m in at.values()), at


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


def die_with_offsets_pending(prefix, source, target, timeout_ms):
    """A member of the group that sends offsets in a transaction and then is no more."""
    consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": f"{prefix}.group", "enable.auto.commit": False,
                         "auto.offset.reset": "earliest"})
    consumer.subscribe([source])
    assert any(consumer.poll(0.5) for _ in range(40))
    producer = Producer({"bootstrap.servers": BROKERS, "transactional.id": f"{prefix}-dead",
                         "transaction.timeout.ms": timeout_ms, "socket.timeout.ms": timeout_ms})
    producer.init_transactions(20)
    producer.begin_transaction()
    for p in range(PARTS):
        producer.produce(target, key="torn", value="torn", partition=p)
    producer.flush(20)
    producer.send_offsets_to_transaction([TopicPartition(source, p, 500) for p in range(PARTS)],
                                         consumer.consumer_group_metadata(), 20)
    consumer.close()
    return producer  # while it is held, nothing is aborted by a closing client


def test_offsets_pending_in_a_dead_transaction_are_waited_for(topics):
    """librdkafka alone would take these partitions for new and start them anywhere."""
    prefix, source, target = topics
    fill(source, 4000)
    admin("set-offsets", f"{prefix}.group", source, "100", "before")
    dead = die_with_offsets_pending(prefix, source, target, 6000)
    assert admin("offsets", f"{prefix}.group", source, ok=False)[0].startswith("retry")
    began = time.time()
    figures, err = finish(start(prefix, "0", source, target, 1000, "until-end"))
    del dead
    assert time.time() - began > 3, "nothing was pending"
    assert re.findall(r"assigned (\d) at (-?\d+)", err) == [(str(p), "100") for p in range(PARTS)], err
    assert figures["copied"] == 4 * 900
    got = [h["sluice.source"] for *_, h in read_all(target)]
    assert len(got) == len(set(got)) == 4 * 900


# --- admin -------------------------------------------------------------------

def admin(*words, ok=True):
    done = subprocess.run([ADMIN, BROKERS, *words], capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) == ok, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout.splitlines()


def test_topics_are_created_once_with_their_settings():
    topic = f"linktest-{uuid.uuid4().hex[:8]}.admin"
    try:
        settings = ["cleanup.policy", "compact", "delete.retention.ms", "604800000"]
        assert admin("create", topic, "3", *settings) == ["created"]
        assert admin("create", topic, "3", *settings) == ["existed"]
        assert admin("config", topic, "cleanup.policy") == ["compact"]
        assert admin("config", topic, "delete.retention.ms") == ["604800000"]
        assert admin("config", topic, "no.such.setting") == ["(none)"]
        assert len(admin("ends", topic)) == 3
        refused = admin("create", topic + "x", "1", "cleanup.policy", "sometimes", ok=False)
        assert refused[0].startswith("halt"), refused
        assert admin("create", "no/name", "1", ok=False)[0].startswith("halt")
    finally:
        admin("delete", topic)
    admin("delete", topic)  # gone is done
    for _ in range(50):
        if admin("ends", topic) == []:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the topic is still there")
    assert admin("config", topic, "cleanup.policy", ok=False)[0].startswith("halt")


def test_first_offsets_of_a_group_and_who_is_in_it(topics):
    prefix, source, target = topics
    group = f"{prefix}.group"
    fill(source, 4000)
    assert admin("group", group) == ["Dead 0"]
    assert admin("offsets", group, source) == [f"{p} -1 " for p in range(PARTS)]
    admin("set-offsets", group, source, "900", "first")
    assert admin("offsets", group, source) == [f"{p} 900 first" for p in range(PARTS)]
    assert {p: o for p, (o, _) in committed(prefix, source).items()} == {p: 900 for p in range(PARTS)}
    process = start(prefix, "7", source, target, 100)
    for _ in range(100):
        if admin("group", group)[0] == "Stable 1" and admin("offsets", group, source)[0].startswith("0 1000 n="):
            break
        time.sleep(0.1)
    assert admin("group", group) == ["Stable 1", f"member [7] {' '.join(f'{source}/{p}' for p in range(PARTS))}"]
    assert admin("set-offsets", group, source, "0", "", ok=False)[0].startswith("retry")
    process.send_signal(signal.SIGTERM)
    figures, _ = finish(process)
    assert figures["copied"] == 400
    # one control record a transaction and partition: ends are above 100 records each
    assert all(int(line.split()[1]) > 100 for line in admin("ends", target))
    assert admin("ends", source) == [f"{p} 1000 " for p in range(PARTS)]
    assert admin("ends", source, str(int(time.time() * 1000) + 3_600_000)) == [f"{p} 1000 " for p in range(PARTS)]
    assert admin("ends", source, "1") == [f"{p} 0 " for p in range(PARTS)]
