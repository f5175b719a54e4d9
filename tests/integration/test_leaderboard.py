# SPDX-License-Identifier: Apache-2.0
"""sluice-leaderboard against a real Redis and a real Kafka, compared with a model in Python.

After every fault the ZSET must equal the scoring query at the watermark that stands beside it."""
import decimal
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from board_world import BIN, SCORE, SCORES, Redis, World, score_sql
from wait import wait_until

KILLS = int(os.environ.get("SLUICE_KILLS", "1"))  # tests/fault has more


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


def test_boards_of_several_windows_in_one_worker(make, server):
    """Ten minutes of members beside an hour of kinds: each its own sums, over the same rows."""
    world = make(members=("member", "event_type"))
    long = list(world.boards)[1]
    world.windows[long] = 3600
    world.write_pipeline(server.url, 500, SCORE)
    world.worker()
    world.send_some(3000, behind_s=4000)
    assert world.exact()
    shown = sum(world.read(long)[1].values())
    world.send_some(1000, deletes=0.5)
    server.set_clock(900)
    world.exact()
    short = next(iter(world.boards))
    assert world.read(short)[1] == {} and 0 < sum(world.read(long)[1].values()) != shown


def test_the_board_empties_when_idle_and_future_rows_enter_in_time(make):
    world = make(window=4, bucket=1)
    world.worker()
    world.send_some(500, behind_s=2, ahead_s=4)
    assert world.exact()
    end = time.monotonic() + 4
    while time.monotonic() < end:  # every second another picture, each of them right
        world.exact()
        time.sleep(0.3)
    key = next(iter(world.boards))
    wait_until("the board is empty", lambda: world.read(key)[1] == {}, 20)
    left = world.server.client.keys(f"{{{key}}}:*")
    assert sorted(k.split(":")[-1] for k in left if ":s:" not in k) == ["meta", "pos"], left


def test_time_that_passes_while_nobody_works_is_made_up_for(make, server):
    world = make()
    worker = world.worker()
    world.send_some(500, ahead_s=900)
    world.exact()
    for later in (250, 1000, 1100, 2500):  # a part of the window, more than all of it
        assert worker.stop() == 0
        world.send_some(300, ahead_s=1200)
        server.set_clock(later)
        worker.start()
        world.send_some(300, ahead_s=900)
        assert world.exact()


def test_states_of_rows_go_whole_after_two_eras(make, server):
    world = make()
    world.worker()
    key, era_s = next(iter(world.boards)), world.window + 600
    kept = []
    for n in range(4):
        server.set_clock(n * era_s)
        world.send_some(1000, behind_s=0, ahead_s=0)
        assert world.exact()
        eras = {int(k.split(":")[-2]) for k in server.client.keys(f"{{{key}}}:s:*")}
        now = int(server.now()) // era_s
        assert now in eras and min(eras) >= now - 1
        kept.append(len(eras))
    assert max(kept) == 2
    server.set_clock(6 * era_s)
    world.exact()
    assert not server.client.keys(f"{{{key}}}:s:*")


def test_a_clock_that_ran_ahead_is_made_up_for(make, server):
    """Everything of the board is forgotten and read again: the topic still has it. A clock that
    is set back by less than a minute changes nothing."""
    world = make(members=("member", "event_type"))
    worker = world.worker()
    world.send_some(1000)
    assert world.exact()
    server.set_clock(1800)
    world.send_some(200, behind_s=300)
    assert world.exact()
    server.set_clock(10 * 365 * 86400)
    assert world.exact() == {}
    server.set_clock(0)
    assert world.exact()
    world.send_some(200)
    assert world.exact()
    began = worker.reason("counted")
    server.set_clock(-30)
    world.send_some(10, behind_s=0, deletes=0)
    wait_until("counted", world.caught_up, 30)
    assert 0 < worker.reason("counted") - began <= 20  # two boards
    server.set_clock(0)
    world.exact()


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
    world.send(8, (world.members[1], now - 700_000, "play"))
    world.flush()
    assert world.exact() == {world.members[0]: 1.0, world.members[2]: 0.0}
    reasons = ("null_member", "null_at", "far_future", "far_past", "late", "counted")
    assert [worker.reason(r) for r in reasons] == [1, 1, 2, 1, 1, 2]
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
    version = world.send(0, row, version=2**53 - 3)  # as high as versions go
    world.send(4, row, version=2**53 - 2)
    gone = world.send(4, None, version=2**53 - 1)
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


def test_redis_is_killed(make, server):
    world = make(batch_rows=50, members=("member", "event_type"))
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
        tail = max(tmp_path.glob("appendonlydir/*.incr.aof"), key=lambda p: int(p.name.split(".")[2]))
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
    server.client.script_flush()
    world.exact(90)  # while idle: the tick sees it
    server.stop()
    for f in tmp_path.glob("appendonlydir/*"):
        f.unlink()
    (tmp_path / "dump.rdb").write_bytes(old)
    server.start("--appendonly", "no")
    assert world.positions(next(iter(world.boards))) != world.ends
    world.send_some(500)
    world.exact(90)


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
    world, cutter = make(batch_rows=200, members=("member", "event_type")), Cutter(server.port)
    world.write_pipeline(cutter.url, 200, SCORE)
    world.worker()
    world.send_some(500)
    world.exact()
    cutter.want = 3
    world.send_some(4000)
    world.exact(90)
    assert cutter.cuts == 3
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


def test_only_the_top_is_shown_and_a_damaged_board_is_mended(make, server):
    world = make(top=5, members=("member", "event_type"), scores={**SCORES, "pause": "-0.5"})
    worker = world.worker()
    for _ in range(3):
        world.send_some(700, deletes=0.4)
        assert len(world.exact()) in (4, 5)
    key = next(iter(world.boards))
    server.client.delete(key)
    wait_until("it is there again", lambda: server.client.zcard(key) == 5, 20)
    world.exact()
    for top, size in ((0, len(world.members)), (7, 7), (0, len(world.members))):
        assert worker.stop() == 0
        world.top = top
        world.write_pipeline(server.url, 500, score_sql(world.scores))
        worker.start()
        world.send_some(300)
        wait_until(f"{size} of them", lambda: server.client.zcard(key) == size, 20)
        world.exact()
    server.client.zadd(key, {"an intruder": 5000})
    server.client.zrem(key, world.members[0], world.members[1])
    wait_until("the intruder is gone", lambda: server.client.zscore(key, "an intruder") is None, 20)
    world.exact()


def test_sums_are_exact_beyond_a_double(make):
    scores = {"play": "999999999999.7", "finish": "-999999999999.9", "click": "0.1", "pause": "0"}
    world = make(scores=scores, members=("event_type", "member"))
    world.worker()
    for deletes in (0.05, 0.5):
        world.send_some(6000, ids=8000, behind_s=500, ahead_s=0, deletes=deletes)
        world.exact()
        for key in world.boards:
            assert world.units(key, 1) == world.expected(key, world.read(key)[0], number=decimal.Decimal)
    assert max(abs(n) for n in world.units(next(iter(world.boards)), 1).values()) > 2**53 / 10


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
