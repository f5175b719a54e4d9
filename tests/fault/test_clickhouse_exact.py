# SPDX-License-Identifier: Apache-2.0
"""The inventory mirror while its worker and its server are killed at named points and at random,
and while inserts end in ways that nobody knows: after every run the tables are what Postgres has,
and orders_final holds each change once. Each start of the worker has another batch size and another
compression. `make test` goes over all points in one run a victim; `make fault NAME=clickhouse_killed`
makes a run of every point, in both modes."""
import os
import random
import signal
import subprocess
import threading
import time
import urllib.parse

import pytest

from engagement import postgres
from harness import INSTANCE, STACK, server_pid, server_runs
from http_proxy import HttpProxy
from inventory import PIPELINE, TOPIC, Mirror
from wait import wait_for

# Before anything is sent, in the middle of the body, after it, when the server has answered and the
# worker has not heard of it, when it has and did not commit, and when it did.
POINTS = ("head", "half", "sent", "answered", "passed", "committed")
LAST, EACH = "inventory.orders", "inventory.orders_final"  # modes replace and append
LONG = bool(os.environ.get("SLUICE_FAULT_LOG"))
BATCHES = ((50000, "400ms", "lz4"), (50000, "250ms", "zstd"), (300, "300ms", "none"), (37, "250ms", "lz4"), (7, "250ms", "none"))


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
        for rows, age, pack in BATCHES:
            self.files.append(folder / f"rows-{rows}-{age}.yaml")
            self.files[-1].write_text(text.replace(
                "  listen:", f"  batch_rows: {rows}\n  batch_age: {age}\n  compression: {pack}\n  listen:"))

    def spawn(self, number=None):
        """With another batch size than before, or with this one."""
        others = [f for f in self.files if str(f) != self.worker.arguments[-1]]
        self.worker.arguments[-1] = str(self.dice.choice(others) if number is None else self.files[number])
        self.worker.start()

    def respawn(self, number=None):
        self.worker.kill()
        self.spawn(number)

    def mend(self):
        self.proxy.calm()
        down = [name for name in ("postgres", "kafka", "connect", "clickhouse") if not server_runs(name)]
        if down:
            subprocess.run([STACK, "up", INSTANCE, *down], check=True, timeout=120, capture_output=True)
        if not self.worker.alive():
            self.spawn()

    def kill_server(self):
        kill(server_pid("clickhouse"))

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

    def write(self):
        """Orders come, change, move to another key and go; they stand in Postgres when this returns."""
        dice = self.dice
        with postgres() as pg:
            for _ in range(dice.randrange(2, 5)):  # transactions
                ids = [row[0] for row in pg.execute(
                    "INSERT INTO inventory.orders (order_date, purchaser, quantity, product_id) SELECT date '2024-01-01' + n,"
                    " 1 + n %% 3, n, 1 + n %% 4 FROM generate_series(1, %s) n RETURNING id", (dice.randrange(5, 60),))]
                pick = lambda share: dice.sample(ids, int(len(ids) * share))
                pg.execute("UPDATE inventory.orders SET quantity = quantity + 1 WHERE id = ANY(%s)", (pick(0.4),))
                pg.execute("UPDATE inventory.orders SET id = id + 1000000 WHERE id = ANY(%s) AND id < 1000000", (pick(0.1),))
                pg.execute("DELETE FROM inventory.orders WHERE id = ANY(%s)", (pick(0.2),))
            pg.execute("UPDATE inventory.orders SET quantity = %s WHERE id IN (SELECT max(id) FROM inventory.orders)",
                       (dice.randrange(1000),))
            pg.execute("UPDATE inventory.customers SET last_name = %s WHERE id = 1", (f"Ünal-{dice.randrange(1000)}",))


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


def reach(hurt, point, table, act):
    """act() when an insert into the table is at the point; committed: when the group has moved on."""
    if point == "committed":
        hurt.caught_up()
        topic = TOPIC.format("orders")
        ends = hurt.ends(topic)
        hurt.write()
        wait_for("a commit", 30, lambda: any(tp.offset > ends[p] for p, tp in hurt.committed(topic, ends).items()), every=0.01)
        act()
        return
    reached = hurt.when(point, act, table)
    hurt.write()
    assert reached.wait(30), f"no insert into {table} came to the point {point}"
    hurt.proxy.calm()


def kill_worker(hurt, point, table):
    reach(hurt, point, table, lambda: kill(hurt.worker.process.pid))
    hurt.worker.process.wait(10)
    hurt.spawn()


def kill_server(hurt, point, table):
    """The worker goes on with what it has in hand, or another one with another batch size."""
    reach(hurt, point, table, hurt.kill_server)
    if hurt.dice.random() < 0.4:
        hurt.respawn()
    hurt.up_again()


@pytest.mark.slow
@pytest.mark.parametrize("points", [(p,) for p in POINTS] if LONG else [POINTS], ids=lambda points: points[0] if LONG else "everywhere")
@pytest.mark.parametrize("victim", ("worker", "server"))
def test_clickhouse_killed(hurt, seed, victim, points):
    """At each of the points, while it inserts in one mode and in the other."""
    for n, point in enumerate(points):
        for table in (LAST, EACH) if LONG else ((LAST, EACH)[(seed + n) % 2],):
            {"worker": kill_worker, "server": kill_server}[victim](hurt, point, table)
    print(hurt.check())


def land_late(hurt, successor):
    """Of each mode one insert is held back until its rows have been sent again and have changed."""
    late, dies = {}, successor is not None

    def plan(request):
        if request.table not in (LAST, EACH):
            return None
        if request.table in late:
            return "drop" if dies else None
        late[request.table] = request.token
        return "late"
    hurt.respawn(0)
    hurt.caught_up()
    hurt.proxy.plan = plan
    hurt.write()
    wait_for("inserts", 30, lambda: len(late) == 2 or late, every=0.02)
    if dies:
        hurt.worker.kill()
        dies = False
        hurt.spawn(successor)
    hurt.caught_up()
    assert hurt.proxy.tokens.count(late[EACH]) >= 2, "the retry had another token"
    hurt.write()
    with postgres() as pg:
        pg.execute("UPDATE inventory.orders SET quantity = quantity + 1 WHERE id > (SELECT max(id) - 200 FROM inventory.orders)")
    hurt.caught_up()
    assert hurt.proxy.release() == [200, 200]


@pytest.mark.slow
def test_clickhouse_unknown_outcomes(hurt, seed):
    """An answer is lost, a body is cut, a request vanishes, in both modes. Then an insert lands after
    its own retry, by the same worker or by one with a far smaller batch: in append it is still one
    row, and in replace it does not bring back what has changed since."""
    ends = {LAST: ["drop", "half", "mute"], EACH: ["drop", "half", "mute"]}
    for some in ends.values():
        hurt.dice.shuffle(some)
    hurt.proxy.plan = lambda request: ends[request.table].pop() if ends.get(request.table) else None
    while any(ends.values()):
        hurt.write()
        hurt.caught_up()
    land_late(hurt, None)
    land_late(hurt, len(BATCHES) - 1)
    print(hurt.check())


@pytest.mark.skipif(not LONG, reason="make fault NAME=clickhouse_at_random")
@pytest.mark.parametrize("victim", ("worker", "server"))
def test_clickhouse_at_random(hurt, seed, victim):
    """It dies three times while 1,500 changes come."""
    generate = hurt.generate(1500, seed, rate="1500/s")
    for _ in range(3):
        time.sleep(hurt.dice.uniform(0.05, 0.4))
        if victim == "server":
            hurt.kill_server()
            hurt.up_again()
        else:
            hurt.respawn()
    assert generate.process.wait(timeout=60) == 0, generate.tail()
    print(hurt.check())
