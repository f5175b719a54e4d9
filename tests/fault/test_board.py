# SPDX-License-Identifier: Apache-2.0
"""sluice-leaderboard and its Redis die while records come; then every sum must be the model's.

Each run has a Redis, a topic and a seed of its own. Two boards over four partitions; rows are
inserted, moved, deleted and sent again as Debezium does after a crash."""
import os
import random
import threading
import time

import pytest

from board_world import Redis, World



@pytest.fixture
def board(tmp_path, seed):
    """A world of the run's own."""
    server = Redis(tmp_path)
    world = World(tmp_path, server, batch_rows=40, members=("member", "event_type"), seed=seed)
    yield world
    world.close()
    server.stop()


class Feed:
    """Sends rows from a thread of its own for as long as the faults last."""

    def __init__(self, world, rate=3000):
        self.world, self.rate, self.stop = world, rate, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.stop.wait(40 / self.rate):
            self.world.send_some(40, ids=1500)
            if self.world.random.random() < 0.05:
                self.world.send_again(60)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *why):
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


def worker_dies(world, dice):
    worker = dice.choice(world.workers)
    worker.kill()
    time.sleep(dice.uniform(0, 0.2))
    worker.start()


def redis_dies(world, dice):
    world.server.kill()
    time.sleep(dice.uniform(0, 0.3))
    world.server.start()


def tail_is_torn(world, dice):
    world.server.kill()
    tail = max(world.folder.glob("appendonlydir/*.incr.aof"), key=lambda p: int(p.name.split(".")[2]))
    os.truncate(tail, max(0, tail.stat().st_size - dice.randrange(1, 30000)))  # the file that was written last
    world.server.start()


def state_is_lost(world, dice):
    if dice.random() < 0.5:
        world.server.client.flushall()
        world.server.client.script_flush()
        return
    client = world.server.client
    client.save()
    old = (world.folder / "dump.rdb").read_bytes()
    time.sleep(dice.uniform(0, 0.5))
    world.server.kill()
    for file in world.folder.glob("appendonlydir/*"):
        file.unlink()
    if dice.random() < 0.6:  # else a new Redis, with nothing
        (world.folder / "dump.rdb").write_bytes(old)
    else:
        (world.folder / "dump.rdb").unlink()
    world.server.start("--appendonly", "no")
    world.server.client.config_set("appendonly", "yes")


def everything_stands(world, dice):
    world.server.client.client_pause(dice.randrange(100, 1500), all=True)


def run(world, seed, faults, count, workers=1):
    """Faults of the seed's choice while rows come; then exact."""
    dice = random.Random(seed)
    for slot in range(workers):
        world.worker(slot)
    with Feed(world):
        for _ in range(count):
            time.sleep(dice.uniform(0.1, 0.8))
            dice.choice(faults)(world, dice)
    world.send_some(100)
    assert world.exact(90)


def test_board_worker_kill(board, seed):
    run(board, seed, [worker_dies], 4)


def test_board_two_workers_kill(board, seed):
    run(board, seed, [worker_dies], 5, workers=2)


def test_board_redis_kill(board, seed):
    run(board, seed, [redis_dies], 3)


def test_board_torn_tail(board, seed):
    run(board, seed, [tail_is_torn], 3)


def test_board_lost_state(board, seed):
    run(board, seed, [state_is_lost], 2)


def test_board_storm(board, seed):
    """Two workers and all of it."""
    run(board, seed, [worker_dies, redis_dies, tail_is_torn, state_is_lost, everything_stands], 6, workers=2)
