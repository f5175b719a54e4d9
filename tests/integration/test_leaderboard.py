# SPDX-License-Identifier: Apache-2.0
"""sluice-leaderboard against a real Redis and a real Kafka, compared with a model in Python.

After every fault the ZSET must equal the scoring query at the watermark that stands beside it."""
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from board_world import BIN, SCORE, Redis, World, wait

KILLS = int(os.environ.get("SLUICE_KILLS", "3"))


@pytest.fixture
def server(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def make(tmp_path, server):
    worlds = []

    def world(**options):
        worlds.append(World(tmp_path, server, **options))
        return worlds[-1]

    yield world
    for w in worlds:
        w.close()


def test_updates_deletes_late_and_future_rows_are_exact(make):
    world = make(members=("member", "event_type"))
    worker = world.worker()
    world.send_some(4000)
    assert world.exact()
    world.send_some(4000, deletes=0.5)
    assert world.exact()
    assert worker.reason("late") > 0 and worker.reason("deleted") > 0
    assert worker.stop() == 0


def test_the_board_empties_when_idle_and_future_rows_enter_in_time(make):
    world = make(window=6, bucket=1)
    world.worker()
    world.send_some(500, behind_s=4, ahead_s=6)
    assert world.exact()
    end = time.monotonic() + 6
    while time.monotonic() < end:  # every second another picture, each of them right
        world.exact()
        time.sleep(0.3)
    key = next(iter(world.boards))
    wait(lambda: world.read(key)[1] == {}, 20, "the board is empty")
    left = world.server.client.keys(f"{{{key}}}:*")
    assert sorted(k.split(":")[-1] for k in left if ":s:" not in k) == ["meta", "pos"], left


def test_rows_that_do_not_count_are_counted_by_reason(make):
    world = make()
    worker = world.worker()
    now = int(time.time() * 1000)
    world.send(1, (world.members[0], now, "play"))
    world.send(2, (None, now, "play"))
    world.send(3, (world.members[1], None, "play"))
    world.send(4, (world.members[1], now + 2 * 3600_000, "play"), model=False)
    world.send(5, (world.members[1], 4_070_908_800_000, "play"), model=False)  # 2099 empties nothing
    world.send(6, (world.members[1], now - 86400_000, "play"))
    world.send(7, (world.members[2], now, "pause"))  # stands with sum 0
    world.flush()
    assert world.exact() == {world.members[0]: 1.0, world.members[2]: 0.0}
    assert [worker.reason(r) for r in ("null_member", "null_at", "far_future", "late", "counted")] == [1, 1, 2, 1, 2]
    world.send(1, (None, now, "play"))  # what counted leaves when its member does
    world.send(7, (world.members[2], 4_070_908_800_000, "pause"), model=False)
    world.rows[7] = None
    world.flush()
    assert world.exact() == {}


def test_an_older_version_changes_nothing_and_an_equal_one_is_no_second(make):
    world = make()
    worker = world.worker()
    row, other = world.some_row(0, 0), world.some_row(0, 0)
    for id in range(0, 8, 4):
        world.send(id, None, model=False)
    version = world.send(0, row)
    world.send(4, row)
    gone = world.send(4, None)
    world.flush()
    world.exact()
    world.send(0, other, version=version - 1, replay=True, model=False)
    world.send(4, other, version=gone - 1, replay=True, model=False)  # deleted since
    world.send(0, row, version=version, replay=True, model=False)
    world.flush()
    assert len(world.exact()) == 1
    assert worker.reason("older") == 2


def test_malformed_rows_are_buried_and_their_neighbours_count(make):
    import confluent_kafka
    world = make()
    worker = world.worker()
    for id in range(40):
        world.send(id, world.some_row(100, 0))
    for id, raw in enumerate((b"{", b"[1]", b'{"at": "yesterday", "member": null, "event_type": "play"}', b"")):
        world.send(1000 + id, (None, None, "play"), raw=raw, model=False)
    world.send_some(200)
    world.exact()
    consumer = confluent_kafka.Consumer({"bootstrap.servers": os.environ["SLUICE_KAFKA"], "group.id": world.name,
                                         "auto.offset.reset": "earliest", "isolation.level": "read_committed"})
    consumer.subscribe([f"{world.name}.dlq"])
    letters, end = [], time.monotonic() + 30
    while len(letters) < 4 and time.monotonic() < end:
        letters += [m for m in consumer.consume(10, 1) if not m.error()]
    letters += [m for m in consumer.consume(10, 2) if not m.error()]
    consumer.close()
    assert sorted(m.key() for m in letters) == [b'{"id":%d}' % (1000 + i) for i in range(4)]
    assert worker.stop() == 0


def test_two_workers_on_four_partitions_are_killed_and_nothing_counts_twice(make):
    world = make()
    workers = [world.worker(0), world.worker(1)]
    for n in range(KILLS):
        world.send_some(1500)
        time.sleep(world.random.random() * 2)
        workers[n % 2].kill()
        world.send_some(500)
        workers[n % 2].start()
    world.send_some(500)
    world.exact(120)
    assert [w.stop() for w in workers] == [0, 0]


def test_redis_is_killed(make, server):
    world = make(batch_rows=50)
    world.worker()
    for _ in range(KILLS):
        world.send_some(1500)
        time.sleep(world.random.random())
        server.kill()
        world.send_some(300)
        server.start()
        world.exact(90)
        assert server.client.info("stats")["total_forks"] > 0, "no new AOF after a restart"


def test_a_torn_aof_tail(make, server, tmp_path):
    world = make(batch_rows=50)
    world.worker()
    for _ in range(KILLS):
        world.send_some(1500)
        world.exact(90)
        world.send_some(1500)
        server.kill()
        tail = max(tmp_path.glob("appendonlydir/*.incr.aof"), key=lambda p: p.stat().st_mtime)
        size = tail.stat().st_size
        os.truncate(tail, max(0, size - world.random.randrange(1, 20000)))
        server.start()
        world.exact(90)
        world.send_some(300)
        world.exact(90)
        server.kill()  # what was written behind the tear must be there again
        server.start()
        world.exact(90)


def test_flushall_and_an_old_snapshot_are_rebuilt(make, server, tmp_path):
    world = make()
    world.worker()
    world.send_some(3000)
    world.exact()
    server.client.config_set("save", "")
    server.client.save()
    old = (tmp_path / "dump.rdb").read_bytes()
    world.send_some(2000)
    world.exact()
    server.client.flushall()
    world.exact(90)  # while idle: the tick sees it
    server.stop()
    for f in tmp_path.glob("appendonlydir/*"):
        f.unlink()
    (tmp_path / "dump.rdb").write_bytes(old)
    server.start("--appendonly", "no")
    assert world.positions(next(iter(world.boards))) != world.ends
    world.send_some(500)
    world.exact(90)


def test_redis_stands_still_or_is_full(make, server):
    world = make(batch_rows=50)
    worker = world.worker()
    world.send_some(500)
    world.exact()
    server.client.client_pause(8000, all=True)
    world.send_some(500)
    time.sleep(8)
    world.exact(60)
    server.client.config_set("maxmemory", "1mb")
    world.send_some(500)
    time.sleep(2)
    assert not world.caught_up()
    server.client.config_set("maxmemory", "0")
    world.exact(60)
    assert worker.process.poll() is None


class Cutter:
    """Stands between worker and Redis; cuts the line instead of passing on a script's answer."""

    def __init__(self, port):
        self.port, self.cuts, self.want = port, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            state = {"script": False}
            threading.Thread(target=self.requests, args=(client, server, state), daemon=True).start()
            threading.Thread(target=self.answers, args=(client, server, state), daemon=True).start()

    def requests(self, client, server, state):
        try:
            while data := client.recv(1 << 16):
                state["script"] = state["script"] or (b"EVALSHA" in data and len(data) > 1000)
                server.sendall(data)
        except OSError:
            pass

    def answers(self, client, server, state):
        try:
            while data := server.recv(1 << 16):
                if state["script"] and data.startswith(b"*3\r\n$2\r\nOK") and self.cuts < self.want:
                    self.cuts += 1
                    break
                state["script"] = False
                client.sendall(data)
        except OSError:
            pass
        for s in (client, server):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_an_answer_that_is_lost_is_no_second_count(make, server):
    world, cutter = make(batch_rows=200), Cutter(server.port)
    world.write_pipeline(cutter.url, 200, SCORE)
    world.worker()
    world.send_some(500)
    world.exact()
    cutter.want = 6
    world.send_some(4000)
    world.exact(90)
    assert cutter.cuts == 6
    cutter.listener.close()


def test_a_stopped_worker_that_wakes_up_changes_nothing(make):
    world = make()
    first = world.worker(0)
    world.send_some(500)
    world.exact()
    first.process.send_signal(signal.SIGSTOP)
    world.send_some(1000)
    second = world.worker(1)
    world.exact(60)
    first.process.send_signal(signal.SIGCONT)
    world.send_some(1000)
    world.exact(60)
    time.sleep(3)
    world.send_some(300)
    world.exact(60)
    assert first.process.poll() in (None, 3) and second.process.poll() is None


def test_refused_before_the_first_record(make):
    for score, why in (("ratio", "not an integer or numeric"), ("(ratio::numeric)", "bounded number of digits"),
                       ("nothing", "nothing")):
        world = make(score=score)
        run = subprocess.run([BIN / "sluice-leaderboard", "--pipeline", world.file, "--check"], capture_output=True,
                             text=True, timeout=30)
        assert run.returncode == 2 and why in run.stderr, run


def test_another_definition_in_the_same_keys_is_refused(make):
    world = make()
    world.worker()
    world.send_some(100)
    world.exact()
    assert world.workers[0].stop() == 0
    world.write_pipeline(world.server.url, 500, "1")
    worker = world.worker()
    assert worker.process.wait(timeout=30) == 4
    assert "another definition" in worker.log.read_text()
