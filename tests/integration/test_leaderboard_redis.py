# SPDX-License-Identifier: Apache-2.0
"""What a Redis may answer and demand: each refusal is waited out or ends the worker, and a board
is exact afterwards; logins, a unix socket, a cluster."""
import os
import random
import subprocess
import tempfile
import threading

import pytest
import redis

from board_world import BIN, ROOT, Redis, World, score_sql
from free_port import free_port
from wait import wait_until

# What a board's user needs, all of it.
COMMANDS = ("info client|setname script|load evalsha bgrewriteaof hget hset hsetnx hmget hdel hgetall hlen hkeys "
            "zadd zrem zcard zrangestore unlink keys type time").split()


@pytest.fixture
def world(tmp_path):
    server = Redis(tmp_path)
    world = World(tmp_path, server, batch_rows=50, members=("member", "event_type"))
    yield world
    world.close()
    server.stop()


def paused(world):
    world.server.client.client_pause(6500, all=True)  # longer than a command may take


def full(world):
    world.server.client.config_set("maxmemory", "1mb")
    return lambda: world.server.client.config_set("maxmemory", "0")


def replica(world):
    world.server.client.replicaof("127.0.0.1", 1)
    return lambda: world.server.client.replicaof("NO", "ONE")


def busy(world):
    world.server.client.config_set("busy-reply-threshold", "100")

    def spin():
        with pytest.raises(redis.exceptions.RedisError):
            redis.Redis(port=world.server.port).eval("while true do end", 0)

    thread = threading.Thread(target=spin)
    thread.start()

    def end():
        world.server.client.script_kill()
        thread.join(10)

    return end


def unsaved(world):
    client, dump = world.server.client, world.server.folder / "dump.rdb"
    client.config_set("save", "3600 1")
    dump.mkdir()  # so that no snapshot can be put there
    client.bgsave()
    wait_until("a failed snapshot", lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 10)

    def end():
        dump.rmdir()
        client.bgsave()
        wait_until("a snapshot", lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok", 10)

    return end


def loading(world):
    client = world.server.client
    client.bgrewriteaof()
    wait_until("an AOF with a snapshot in front", lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, 10)
    world.server.kill()
    world.server.start("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024", answers=False)


def test_refusals_are_waited_out(world):
    worker = world.worker()
    world.send_some(500)
    world.exact()
    for cause, word in ((full, "OOM"), (replica, "READONLY"), (busy, "BUSY"), (unsaved, "MISCONF"),
                        (loading, "LOADING|is loading"), (paused, "no answer in time")):
        before = worker.log.stat().st_size
        end = cause(world)
        world.send_some(500)
        wait_until(word, lambda: any(w in worker.log.read_text()[before:] for w in word.split("|")), 30)
        assert end is None or not world.caught_up(), word
        if end:
            end()
        world.exact()
    assert worker.process.poll() is None


def test_a_key_of_somebody_else_ends_the_worker_before_anything_is_counted(world):
    world.server.client.set(next(iter(world.boards)), "mine")
    world.send_some(500)
    worker = world.worker()
    assert worker.process.wait(timeout=30) == 4
    assert "WRONGTYPE" in worker.log.read_text()
    world.server.client.delete(next(iter(world.boards)))
    worker.start()
    world.exact()


def check(world):
    run = subprocess.run([BIN / "sluice-leaderboard", "--pipeline", world.file, "--check"], capture_output=True,
                         text=True, timeout=30)
    return run.returncode, run.stderr


def test_a_user_with_few_rights_over_a_unix_socket(world, tmp_path):
    server, folder = world.server, tempfile.mkdtemp(prefix="sluice-")
    path = f"{folder}/redis.sock"  # pytest's own folder is too long a name for a socket
    server.stop()
    server.start("--unixsocket", path)
    (tmp_path / "password").write_text("s3cret é")
    server.client.acl_setuser("board", enabled=True, reset=True, passwords=["+s3cret é"], commands=[f"+{c}" for c in COMMANDS],
                              keys=[pattern for key in world.boards for pattern in (key, f"{{{key}}}:*")])
    world.login = f"  user: board\n  password_file: {tmp_path}/password"
    world.write_pipeline(f"unix://{path}", 50, "1")
    world.scores = dict.fromkeys(world.scores, "1")
    worker = world.worker()
    world.send_some(1000)
    world.exact()
    server.client.delete(next(iter(world.boards)))
    server.set_clock(1800)
    server.client.flushdb()
    world.exact()
    server.set_clock(0)  # everything that the script may do has been done
    world.exact()
    assert worker.stop() == 0

    (tmp_path / "password").write_text("wrong")
    code, why = check(world)
    assert code == 2 and "WRONGPASS" in why and "wrong\n" not in why
    (tmp_path / "password").write_text("s3cret é")
    assert check(world) == (0, "")
    server.kill()
    server.start("--unixsocket", path)
    server.client.acl_setuser("board", enabled=True, reset=True, passwords=["+s3cret é"], keys=["*"],
                              commands=[f"+{c}" for c in COMMANDS if c != "bgrewriteaof"])
    worker.start()
    assert worker.process.wait(timeout=30) in (2, 4)
    assert "NOPERM" in worker.log.read_text()
    os.remove(path)
    os.rmdir(folder)


def test_a_password_alone_and_tls_that_is_lacking(world):
    world.send_some(100)
    world.server.client.config_set("requirepass", "s3cret/@")
    world.server.client.auth("s3cret/@")
    world.write_pipeline(world.server.url, 50, score_sql(world.scores))
    code, why = check(world)
    assert code == 2 and "NOAUTH" in why
    world.write_pipeline(f"redis://:s3cret%2F%40@127.0.0.1:{world.server.port}", 50, score_sql(world.scores))
    worker = world.worker()
    world.exact()
    assert worker.stop() == 0
    assert "s3cret" not in worker.log.read_text()
    world.write_pipeline(f"rediss://:s3cret@127.0.0.1:{world.server.port}", 50, score_sql(world.scores))
    code, why = check(world)
    assert code == 2 and "rediss:// needs TLS" in why and "s3cret" not in why


def test_the_scripts_own_sums_are_exact_at_any_size(tmp_path):
    text = (ROOT / "lib/sink/leaderboard.lua").read_text()
    text = text[text.index("local EXACT"):text.index("local sum_key")] + "local abs, sub = math.abs, string.sub\n" + \
        text[text.index("local function digits"):text.index("local function parse")] + """
        local found = {}
        for i = 1, #ARGV, 2 do
          found[#found + 1] = '' .. plus(ARGV[i], ARGV[i + 1])
          found[#found + 1] = '' .. plus(negative(plus(ARGV[i], 0)), ARGV[i + 1])
        end
        return found"""
    dice = random.Random(4)
    edges = [0, 1, 10**12 - 1, 10**12, 10**13, 10**14 - 1, 10**14, 10**14 + 1, 2**53 + 1, 10**18, 10**24]
    numbers = [sign * n for n in edges for sign in (1, -1)] + [
        dice.choice((1, -1)) * dice.randrange(10 ** dice.randrange(1, 26)) for _ in range(40)]
    pairs = [(a, b) for a in numbers for b in numbers]
    server = Redis(tmp_path)
    found = server.client.eval(text, 0, *[n for pair in pairs for n in pair])
    server.stop()
    assert list(map(int, found)) == [n for a, b in pairs for n in (a + b, b - a)]


def test_a_redis_cluster_takes_a_board(tmp_path):
    server = Redis(tmp_path, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    server.client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
    wait_until("the cluster is whole", lambda: server.client.execute_command("CLUSTER INFO")["cluster_state"] == "ok", 20)
    world = World(tmp_path, server, members=("member", "event_type"), top=7)
    try:
        world.worker()
        world.send_some(2000)
        assert world.exact()
    finally:
        world.close()
        server.stop()
