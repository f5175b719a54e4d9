# SPDX-License-Identifier: Apache-2.0
"""A webhook pipeline of a test's own: enriched records straight into Kafka, sluice-http, and
somebody who answers: sluice-receiver, or a server in Python that does as the test says."""
import base64
import hashlib
import http.server
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import threading
import time
import uuid

import confluent_kafka
import confluent_kafka.admin
import httpx
import pytest

from free_port import free_port
from wait import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SLUICE_BIN", ROOT / "build/bin"))
BROKERS = os.environ["SLUICE_KAFKA"]
PARTITIONS = 4
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Opposite:
    """A server that asks `answer(n, request)` what to do: a status, (status, headers, body),
    "close" (read, then closed), "none" (read, never answered) or "slow" (a body that stalls)."""

    def __init__(self, answer, tls=None):
        self.answer, self.requests, self.lock = answer, [], threading.Lock()
        self.closing = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.serve(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256  # all lanes connect at once
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, h):
        body = h.rfile.read(int(h.headers["content-length"]))
        request = {"at": time.monotonic(), "body": body, "headers": {k.lower(): v for k, v in h.headers.items()},
                   "id": h.headers["webhook-id"]}
        with self.lock:
            n = len(self.requests)
            self.requests.append(request)
        does = self.answer(n, request)
        if does == "none":
            self.closing.wait(60)
        if does in ("none", "close"):
            h.close_connection = True
            return
        if does == "slow":
            h.send_response(200)
            h.send_header("content-length", "100")
            h.end_headers()
            h.wfile.write(b"x")
            h.wfile.flush()
            self.closing.wait(60)
            h.close_connection = True
            return
        status, headers, text = does if isinstance(does, tuple) else (does, {}, b"")
        h.send_response(status)
        for name, value in headers.items():
            h.send_header(name, value)
        if status != 204:
            h.send_header("content-length", str(len(text)))
        h.end_headers()
        h.wfile.write(text)

    def ids(self):
        with self.lock:
            return [r["id"] for r in self.requests]

    def stop(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


class Receiver:
    """sluice-receiver on a port that stays its own between starts."""

    def __init__(self, folder, *more):
        self.port, self.more, self.log = free_port(), more, pathlib.Path(folder) / "receiver.log"
        self.url, self.process = f"http://127.0.0.1:{self.port}/events", None

    def start(self, script=None):
        more = ["--script", json.dumps(script)] if script else []
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BIN / "sluice-receiver", "--listen", f"127.0.0.1:{self.port}", *self.more, *more], stderr=log)
        wait_for("the receiver", 30, self.answers)
        return self

    def answers(self):
        try:
            return self.get("/stats").status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path):
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=10)

    def stats(self):
        return self.get("/stats").json()

    def ids(self):
        return self.get("/ids").text.split()

    def script(self, steps):
        assert httpx.post(f"http://127.0.0.1:{self.port}/script", json=steps).text == "ok\n"

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=10) == 0


def change_id(text):
    return base64.b32encode(hashlib.sha256(text.encode()).digest()[:16]).decode().rstrip("=")


class Webhooks:
    """One pipeline: its topics, group, file and worker."""

    def __init__(self, folder, url, group="", **http):
        self.folder = pathlib.Path(folder)
        self.name = f"hooks-{uuid.uuid4().hex[:8]}"
        self.topic, self.dlq, self.group = f"{self.name}.enriched", f"{self.name}.dlq", f"{self.name}.http{group}"
        self.log, self.process, self.port = self.folder / "http.log", None, free_port()
        self.offsets, self.versions, self.sent = [0] * PARTITIONS, 0, []
        self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": BROKERS})
        # Idempotent, as enrich is: retries to a topic whose leaders are not known yet would swap
        # batches, and a version below one that was read before is a repeat for every sink.
        self.producer = confluent_kafka.Producer(
            {"bootstrap.servers": BROKERS, "linger.ms": 5, "enable.idempotence": True})
        self.make_topics()
        self.url, self.file = url, self.write_file(url, http)

    def make_topics(self):
        new = [confluent_kafka.admin.NewTopic(self.topic, PARTITIONS, 1),
               confluent_kafka.admin.NewTopic(self.dlq, 1, 1)]
        for future in self.admin.create_topics(new).values():
            future.result(20)
        self.ends()
        wait_for("the group's start", 60, lambda: self.start_group(self.group))  # brokers learn of a new topic one by one

    def start_group(self, group):
        parts = [confluent_kafka.TopicPartition(self.topic, p, 0) for p in range(PARTITIONS)]
        request = confluent_kafka.ConsumerGroupTopicPartitions(group, parts)
        try:
            self.admin.alter_consumer_group_offsets([request])[group].result(20)
            return self.committed(group) == [0] * PARTITIONS
        except confluent_kafka.KafkaException as e:
            return str(e)

    def write_file(self, url, http):
        text = (ROOT / "pipelines/engagement.yaml").read_text()
        text = text.replace("../", f"{ROOT}/").replace("name: engagement", f"name: {self.name}")
        text = text.replace("thm.enriched.events", self.topic)
        options = {"allow_private": "true", **http}
        text = re.sub(r"(?ms)^http:.*", "", text) + f"http:\n  url: {url}\n" + "".join(
            f"  {name}: {value}\n" for name, value in options.items() if value is not None)
        path = self.folder / f"{self.name}.yaml"
        path.write_text(text)
        return path

    def configure(self, **http):
        """The same destination with these settings instead, from the next start on."""
        self.write_file(self.url, http)

    def change(self, key, op="c", row=None, before=None, version=None, **more):
        """Produces one record; returns its id."""
        self.versions += 1
        version, change = version or self.versions, change_id(f"{self.name}/{self.versions}")
        partition = key % PARTITIONS
        headers = {"sluice.source": f"pg.public.engagement_events/{partition}/{version}", "sluice.version": str(version),
                   "sluice.op": op, "sluice.id": change, "sluice.ts": "1795000000123", **more}
        if before is not None:
            headers["sluice.before"] = json.dumps(before)
        value = None if op == "d" else json.dumps(row or {"id": key, "title": "“Über” \"q\" 日本語", "n": self.versions})
        self.producer.produce(self.topic, key=json.dumps({"id": key}), value=value, partition=partition,
                              headers=[(k, v) for k, v in headers.items() if v is not None])
        self.sent.append(change)
        if self.versions % 1000 == 0:
            self.producer.flush(20)
        return change

    def flush(self):
        assert self.producer.flush(30) == 0

    def start(self, *more):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BIN / "sluice-http", "--pipeline", self.file, "--listen", f"127.0.0.1:{self.port}", *more],
                stderr=log, stdout=log)
        return self

    def metric(self, name):
        """One counter of the worker's, 0 while it cannot be asked."""
        try:
            lines = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=10).text.splitlines()
        except httpx.TransportError:
            return 0
        return next((int(float(line.split()[-1])) for line in lines if line.startswith(name)), 0)

    def waits(self, why, seconds=30):
        """Until the worker says that it waits for the destination, and why."""
        wait_for(why, seconds, lambda: any("waiting for http" in line and why in line
                                           for line in self.log.read_text().splitlines()) or self.tail())

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)

    def stop(self):
        """The exit code, asked or not."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=40)

    def tail(self):
        return "\n".join(self.log.read_text().splitlines()[-12:])

    def committed(self, group=None):
        group = group or self.group
        parts = [confluent_kafka.TopicPartition(self.topic, p) for p in range(PARTITIONS)]
        request = confluent_kafka.ConsumerGroupTopicPartitions(group, parts)
        result = self.admin.list_consumer_group_offsets([request])[group].result(10)
        return [tp.offset for tp in result.topic_partitions]

    def ends(self):
        asked = {confluent_kafka.TopicPartition(self.topic, p): confluent_kafka.admin.OffsetSpec.latest()
                 for p in range(PARTITIONS)}
        for _ in range(50):
            try:
                return [f.result(10).offset for f in self.admin.list_offsets(asked).values()]
            except confluent_kafka.KafkaException:  # the topic is so new that its leaders are not known
                time.sleep(0.2)
        raise AssertionError(f"{self.topic}: no offsets")

    def caught_up(self, seconds=60):
        self.flush()
        ends = self.ends()
        try:
            wait_for("the group's offsets", seconds, lambda: self.committed() == ends or (self.committed(), ends))
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.tail()}") from None

    def dead_letters(self):
        """(key, reason) of every letter."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": BROKERS, "group.id": f"look-{uuid.uuid4()}",
                                             "isolation.level": "read_committed", "enable.partition.eof": True,
                                             "enable.auto.commit": False})
        consumer.assign([confluent_kafka.TopicPartition(self.dlq, 0, 0)])
        letters = []
        while True:
            message = consumer.poll(10)
            assert message is not None, "the dead-letter topic does not end"
            if message.error():
                break
            headers = {k: v.decode() for k, v in message.headers()}
            letters.append((json.loads(message.key())["id"], headers["__connect.errors.exception.message"]))
        consumer.close()
        return letters

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.admin.delete_topics([self.topic, self.dlq])


def self_signed(folder, name="cert", cn="127.0.0.1"):
    """(context, certificate file) of a server that nobody vouches for."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={cn}",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True,
                   capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert


class Http2Server:
    """http2_server.mjs on a port of its own."""

    def __init__(self, *files):
        self.process = subprocess.Popen(["node", ROOT / "tests/integration/http2_server.mjs", *files],
                                        stdout=subprocess.PIPE, text=True)
        self.url = f"https://127.0.0.1:{int(self.process.stdout.readline())}/events"

    def stop(self):
        """What it was asked, a dict a request."""
        self.process.terminate()
        lines = self.process.communicate(timeout=20)[0].splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
def hooks(tmp_path):
    """Makes pipelines and servers; closes them all."""
    made = []

    def make(url_or_answer, tls=None, **http):
        opposite = None
        if callable(url_or_answer):
            opposite = Opposite(url_or_answer, tls)
            made.append(opposite.stop)
        pipeline = Webhooks(tmp_path, opposite.url if opposite else url_or_answer, **http)
        made.append(pipeline.close)
        return (pipeline, opposite) if opposite else pipeline

    yield make
    for close in reversed(made):
        close()


@pytest.fixture
def receiver(tmp_path):
    r = Receiver(tmp_path).start()
    yield r
    if r.process.poll() is None:
        r.stop()
