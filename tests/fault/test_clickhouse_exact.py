# SPDX-License-Identifier: Apache-2.0
"""The inventory mirror while its worker and its server are killed at named points and at random,
and while inserts end in ways that nobody knows: after every run the tables are what Postgres has,
and orders_final holds each change once. Each start of the worker has another batch size."""
import os
import random
import signal
import subprocess
import threading
import time
import urllib.parse

import pytest

from engagement import wait_for
from harness import INSTANCE, PIDS, STACK
from http_proxy import HttpProxy
from inventory import PIPELINE, TOPIC, Mirror

POINTS = ("head", "half", "sent", "answered", "passed", "committed")
FINAL = "inventory.orders_final"


def kill(pid):
    os.kill(pid, signal.SIGKILL)


class Hurt(Mirror):
    """A mirror behind the proxy."""

    def __init__(self, folder):
        url = urllib.parse.urlparse(os.environ["SLUICE_CLICKHOUSE"])
        self.proxy = HttpProxy((url.hostname, url.port))
        super().__init__(folder, env={"SLUICE_CLICKHOUSE": self.proxy.url})
        self.dice = random.Random(0)
        text = PIPELINE.read_text().replace("../", f"{PIPELINE.parent.parent}/")
        self.files = []
        for rows, age in ((50000, "400ms"), (50000, "250ms"), (300, "300ms"), (37, "250ms")):
            self.files.append(folder / f"rows-{rows}-{age}.yaml")
            self.files[-1].write_text(text.replace("  listen:", f"  batch_rows: {rows}\n  batch_age: {age}\n  listen:"))

    def spawn(self):
        self.worker.arguments[-1] = str(self.dice.choice(self.files))
        self.worker.start()

    def mend(self):
        self.proxy.calm()
        subprocess.run([STACK, "up", INSTANCE, "postgres", "kafka", "connect", "clickhouse"], check=True, timeout=120,
                       capture_output=True)
        if not self.worker.alive():
            self.spawn()

    def kill_server(self):
        kill(int((PIDS / "clickhouse").read_text().split()[0]))

    def up_again(self):
        wait_for("the death of ClickHouse", 20, lambda: subprocess.run(
            [STACK, "free", INSTANCE, "clickhouse"], capture_output=True).returncode == 0, every=0.05)
        subprocess.run([STACK, "up", INSTANCE, "clickhouse"], check=True, timeout=120, capture_output=True)

    def when(self, point, act, table=None):
        """Calls act once, when an insert (into the table) is at this point."""
        done = threading.Event()

        def at(name, request):
            if name == point and (table is None or request.table == table) and not done.is_set():
                done.set()
                act()
        self.proxy.at = at
        return done

    def write(self, seed):
        """A few changes; they stand in Postgres when this returns."""
        generate = self.generate(self.dice.randrange(50, 400), seed % (1 << 31))
        assert generate.process.wait(timeout=60) == 0, generate.tail()


@pytest.fixture(scope="module")
def _hurt(stack, tmp_path_factory):
    it = Hurt(tmp_path_factory.mktemp("exact"))
    it.prepare()
    it.spawn()
    it.caught_up()
    yield it
    it.mend()
    assert it.worker.stop() == 0, it.worker.tail()
    it.proxy.close()


@pytest.fixture
def hurt(_hurt, seed):
    _hurt.dice = random.Random(seed)
    _hurt.mend()
    yield _hurt
    _hurt.mend()


def kill_at(hurt, seed, point):
    """kill -9 of the worker when an insert is at the point; committed: when the group has moved on."""
    if point == "committed":
        hurt.caught_up()
        topic = TOPIC.format("orders")
        ends = hurt.ends(topic)
        hurt.write(seed)
        wait_for("a commit", 30, lambda: any(tp.offset > ends[p] for p, tp in hurt.committed(topic, ends).items()), every=0.01)
        hurt.worker.kill()
    else:
        killed = hurt.when(point, lambda: kill(hurt.worker.process.pid), hurt.dice.choice([FINAL, FINAL, None]))
        hurt.write(seed)
        assert killed.wait(30), f"no insert came to the point {point}"
        hurt.worker.process.wait(10)
        hurt.proxy.calm()
    hurt.spawn()


def test_clickhouse_kill_points(hurt, seed):
    """The worker dies at two points of an insert, the server at another; three runs in a row go
    over all of them."""
    for n in range(2):
        kill_at(hurt, seed * 10 + n, POINTS[(seed * 2 + n) % len(POINTS)])
    point = hurt.dice.choice(POINTS[:-1])
    killed = hurt.when(point, hurt.kill_server, hurt.dice.choice([FINAL, None]))
    hurt.write(seed * 10 + 2)
    assert killed.wait(30), f"no insert came to the point {point}"
    hurt.proxy.calm()
    hurt.up_again()
    print(hurt.check())


def test_clickhouse_unknown_outcomes(hurt, seed):
    """An answer is lost, a body is cut, a request vanishes. Then an insert lands after its own retry,
    by the same worker or by the next one: it is still one row."""
    ends = hurt.dice.sample(["drop", "half", "mute", "mute"], 4)
    hurt.proxy.plan = lambda request: ends.pop() if ends and request.table in (FINAL, "inventory.orders") else None
    hurt.write(seed * 10)
    hurt.caught_up()
    late = []

    def plan(request):
        if request.table == FINAL and not late:
            late.append(request.token)
            return "late"
        return None
    hurt.proxy.plan = plan
    hurt.write(seed * 10 + 1)
    wait_for("an insert", 30, lambda: bool(late), every=0.02)
    if seed % 2:
        hurt.worker.kill()
        hurt.spawn()
    hurt.caught_up()
    assert hurt.proxy.tokens.count(late[0]) >= 2, "the retry had another token"
    assert hurt.proxy.release() == [200]
    print(hurt.check())


@pytest.mark.skipif(not os.environ.get("SLUICE_FAULT_LOG"), reason="make fault NAME=clickhouse_random_kills")
def test_clickhouse_random_kills(hurt, seed):
    """Of the worker twice and of the server once, in any order."""
    generate = hurt.generate(1500, seed, rate="1500/s")
    for who in hurt.dice.sample(["worker", "worker", "server"], 3):
        time.sleep(hurt.dice.uniform(0.05, 0.4))
        if who == "server":
            hurt.kill_server()
            hurt.up_again()
        else:
            hurt.worker.kill()
            hurt.spawn()
    assert generate.process.wait(timeout=60) == 0, generate.tail()
    print(hurt.check())
