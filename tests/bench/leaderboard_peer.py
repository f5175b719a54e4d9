#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a good Python worker does with the same topic: confluent-kafka, orjson, redis-py + hiredis.

exact BROKERS TOPIC COUNT PORT    leaderboard_peer.lua, a call a batch and partition
zincrby BROKERS TOPIC COUNT PORT  one plain ZINCRBY an event, pipelined; counts twice on a replay
load BROKERS TOPIC FILE RATE      produces FILE's records (JSON lines), RATE a second
top - KEY 100 PORT                reads the top 100, a hundred times a second, until its input ends;
                                  prints the median and the 99th percentile in seconds

The first two print the seconds from the first to the last record, and their own CPU seconds."""
import datetime
import json
import pathlib
import resource
import select
import socket
import sys
import time

import confluent_kafka
import orjson
import redis

SCORES = {"play": 10, "finish": 10, "click": 2, "pause": 0}  # units of 1/10
WINDOW, BUCKET_S, BATCH = 60, 10, 1000


def exact(client):
    script = client.register_script((pathlib.Path(__file__).parent / "leaderboard_peer.lua").read_text())
    positions = {}

    def batch(messages):
        parts = {}
        for m in messages:
            row = orjson.loads(m.value())
            at = int(datetime.datetime.fromisoformat(row["at"]).timestamp())
            version = next(int(v) for k, v in m.headers() if k == "sluice.version")
            parts.setdefault(m.partition(), []).extend(
                ("c", row["id"], at // BUCKET_S, row["member"], SCORES[row["event_type"]], version))
        for partition, args in parts.items():
            last = max(m.offset() for m in messages if m.partition() == partition)
            answer = script(keys=["{peer}off", "{peer}top", "{peer}meta"],
                            args=["{peer}", partition, positions.get(partition, -1), last, WINDOW,
                                  int(time.time()) // BUCKET_S, len(args) // 6, *args])
            assert answer[0] == b"OK", answer
            positions[partition] = last

    return batch


def zincrby(client):
    def batch(messages):
        pipe = client.pipeline(transaction=False)
        for m in messages:
            row = orjson.loads(m.value())
            pipe.zincrby("{peer}top", SCORES[row["event_type"]] / 10, row["member"])
        pipe.execute()

    return batch


def consume(brokers, topic, count, port, way):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": f"{topic}.peer-{way.__name__}",
                                         "enable.auto.commit": False, "fetch.queue.backoff.ms": 50})
    consumer.assign([confluent_kafka.TopicPartition(topic, p, 0) for p in range(4)])
    batch, began = way(redis.Redis(port=port)), None
    left = count
    while left > 0:
        messages = [m for m in consumer.consume(min(BATCH, left), 0.05) if not m.error()]
        if messages:
            began = began or time.monotonic()
            batch(messages)
            left -= len(messages)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(time.monotonic() - began, used.ru_utime + used.ru_stime)
    consumer.close()


def load(brokers, topic, file, rate):
    producer = confluent_kafka.Producer({"bootstrap.servers": brokers, "linger.ms": 5, "acks": "all"})
    began = time.monotonic()
    for n, line in enumerate(open(file)):
        partition, key, value, headers = json.loads(line)
        now = time.time()
        value = value.replace("@now", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".000000Z")
        producer.produce(topic, key=key, value=value, partition=partition, headers=headers)
        if n % 50 == 0:
            producer.poll(0)
            time.sleep(max(0, began + n / rate - time.monotonic()))
    assert producer.flush(30) == 0


def top(key, port):
    times, s = [], socket.create_connection(("127.0.0.1", port))
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        began, data, lines = time.perf_counter(), b"", 1
        s.sendall(b"ZREVRANGE %s 0 99 WITHSCORES\r\n" % key.encode())
        while data.count(b"\r\n") < lines:
            data += s.recv(1 << 16)
            if b"\r\n" in data:
                lines = 1 + 2 * int(data[1:data.index(b"\r\n")])
        times.append(time.perf_counter() - began)
    times.sort()
    print(times[len(times) // 2], times[int(len(times) * 0.99)])


if __name__ == "__main__":
    mode, brokers, topic, what, number = sys.argv[1:]
    if mode == "load":
        load(brokers, topic, what, int(number))
    elif mode == "top":
        top(topic, int(number))
    else:
        consume(brokers, topic, int(what), int(number), {"exact": exact, "zincrby": zincrby}[mode])
