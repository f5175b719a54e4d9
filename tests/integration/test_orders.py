# SPDX-License-Identifier: Apache-2.0
"""The second pipeline, orders, on the real systems: two dimensions that change, arrive late and go."""
import json
import os
import random
import subprocess

import confluent_kafka
import pytest

from engagement import BIN, ROOT, Program, clickhouse, postgres, run
from wait import wait_for

PIPELINE = ROOT / "pipelines/orders.yaml"
SOURCE, ENRICHED = "postgres-server.inventory.orders", "inventory.enriched.orders"
COLUMNS = "id, order_date, purchaser, first_name, last_name, email, product_id, product_name, price, quantity, line_total"
SEED = int(os.environ.get("SLUICE_SEED", random.SystemRandom().randrange(1 << 30)))
LATE = 1500001  # a customer whom nobody else makes


@pytest.fixture(scope="module")
def orders(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("orders")
    run("psql", "-q", "-h", os.environ["SLUICE_PG_HOST"], "-p", os.environ["SLUICE_PG_PORT"], "-U", "postgres",
        "-d", os.environ["SLUICE_PG_DB"], "-f", ROOT / "sql/postgres/orders.sql")
    run(BIN / "sluicectl", "bootstrap", PIPELINE)
    workers = {name: Program(name, [BIN / f"sluice-{name}", "--pipeline", PIPELINE], folder).start()
               for name in ("enrich", "clickhouse")}
    yield folder
    codes = {name: worker.stop() for name, worker in workers.items()}
    assert all(code == 0 for code in codes.values()), f"exit codes {codes}: logs in {folder}"


def _differs():
    """True when ClickHouse holds what the view shows, else how not."""
    with postgres() as pg:
        want = {row[0]: row for row in pg.execute(f"SELECT {COLUMNS} FROM inventory.orders_enriched")}
    rows = clickhouse().query(f"SELECT {COLUMNS} FROM inventory.orders_enriched FINAL WHERE NOT _deleted").result_rows
    got = {row[0]: tuple(row) for row in rows}
    assert len(got) == len(rows), "an id stands twice"
    wrong = [key for key in want.keys() | got.keys() if want.get(key) != got.get(key)]
    return not wrong or f"{len(wrong)} of {len(want)}: {[(want.get(k), got.get(k)) for k in wrong[:2]]}"


def _equal(seconds=90):
    wait_for("ClickHouse holds the view", seconds, _differs)


def _verify():
    done = subprocess.run([BIN / "sluicectl", "verify", PIPELINE], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["topic", "clickhouse"], done.stdout
    assert all("equal, 0 differ, 0 missing, 0 extra, 0 excused" in line for line in done.stdout.splitlines())


def _order(pg, customer, product=1, quantity=3):
    return pg.execute("INSERT INTO inventory.orders (order_date, purchaser, quantity, product_id) "
                      "VALUES ('2025-07-21', %s, %s, %s) RETURNING id", (customer, quantity, product)).fetchone()[0]


def _row(order):
    rows = clickhouse().query(f"SELECT {COLUMNS} FROM inventory.orders_enriched FINAL WHERE NOT _deleted AND id = {order}")
    return next(rows.named_results(), None)


def test_seed_rows_arrive(orders):
    _equal()


def test_a_customer_who_arrives_after_the_order(orders):
    with postgres() as pg:
        pg.execute("DELETE FROM inventory.customers WHERE id = %s", (LATE,))
        order = _order(pg, LATE)
        wait_for("the order without its customer", 60, lambda: (_row(order) or {"email": 1})["email"] is None)
        pg.execute("INSERT INTO inventory.customers (id, first_name, last_name, email) VALUES (%s, 'Late', 'Comer', %s)",
                   (LATE, f"late.{LATE}@example.org"))
        wait_for("its customer", 60, lambda: _row(order)["first_name"] == "Late")
    _equal()


def test_changes_of_all_kinds(orders):
    generate = Program("generate", [BIN / "sluice-generate", "--pipeline", PIPELINE, "--model", "orders",
                                    "--count", "3000", "--rate", "1500/s", "--update-share", "0.3",
                                    "--delete-share", "0.1", "--seed", SEED], orders).start()
    with postgres() as pg:
        wait_for("half of it", 60, lambda: pg.execute(
            "SELECT count(*) > 500 FROM inventory.orders WHERE created_at > now() - interval '1 min'").fetchone()[0])
        # in the middle of it: dimension rows change, and one of each goes
        pg.execute("UPDATE inventory.products SET price = price + 0.01 WHERE id % 7 = 0")
        pg.execute("UPDATE inventory.customers SET last_name = 'Moved' WHERE id % 5 = 0")
        pg.execute("DELETE FROM inventory.products WHERE id = (SELECT max(product_id) FROM inventory.orders)")
        pg.execute("DELETE FROM inventory.customers WHERE id = (SELECT purchaser FROM inventory.orders "
                   "JOIN inventory.customers c ON c.id = purchaser LIMIT 1)")
        assert generate.process.wait(timeout=120) == 0, generate.tail()
        # a key that changes is one row gone and one new
        moved = _order(pg, 1)
        pg.execute("UPDATE inventory.orders SET id = -id WHERE id = %s", (moved,))
        _equal()
        assert _row(moved) is None and _row(-moved)["first_name"] == "Amara", f"seed {SEED}"
        pg.execute("DELETE FROM inventory.orders WHERE id = %s", (-moved,))
    _verify()


def test_a_price_reaches_every_order(orders):
    with postgres() as pg:
        count = pg.execute("SELECT count(*) FROM inventory.orders WHERE product_id = 2").fetchone()[0] + 400
        pg.execute("INSERT INTO inventory.orders (order_date, purchaser, quantity, product_id) "
                   "SELECT '2025-07-21', 1 + n % 3, n, 2 FROM generate_series(1, 400) n")
        pg.execute("UPDATE inventory.products SET price = price + 1 WHERE id = 2")
        price = pg.execute("SELECT price FROM inventory.products WHERE id = 2").fetchone()[0]
    _equal()
    at_price = clickhouse().query("SELECT countIf(price = {p:Decimal(10, 2)}), count() FROM inventory.orders_enriched FINAL "
                                  "WHERE NOT _deleted AND product_id = 2", parameters={"p": str(price)}).result_rows[0]
    assert at_price == (count, count)


def test_a_product_that_goes_leaves_nulls(orders):
    with postgres() as pg:
        product = pg.execute("INSERT INTO inventory.products (name, price) VALUES ('short-lived', 5) RETURNING id").fetchone()[0]
        order = _order(pg, 1, product)
        wait_for("the order", 60, lambda: (_row(order) or {"line_total": None})["line_total"] == 15)
        pg.execute("DELETE FROM inventory.products WHERE id = %s", (product,))
    wait_for("its nulls", 60, lambda: _row(order)["line_total"] is None)
    _equal()


def test_a_date_as_text_and_no_created_at(orders):
    """The text of a date is read; a column that the query does not use is not asked for."""
    with postgres() as pg:
        order = _order(pg, 2, 3, 4)
        wait_for("the order", 60, lambda: _row(order) is not None)
    place = []
    producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["SLUICE_KAFKA"]})
    event = {"before": None, "after": {"id": order, "order_date": "2025-07-21", "purchaser": 2, "quantity": 4,
                                       "product_id": 3},
             "source": {"connector": "postgresql", "name": "postgres-server", "ts_ms": 1753113600000, "snapshot": "true",
                        "db": "app", "schema": "inventory", "table": "orders", "txId": None, "lsn": None},
             "op": "r", "ts_ms": 1753113600000}
    producer.produce(SOURCE, json.dumps(event), key=json.dumps({"id": order}), partition=_partition_of(order),
                     on_delivery=lambda err, message: place.append((message.partition(), message.offset())))
    assert producer.flush(20) == 0
    partition, offset = place[0]

    with postgres() as pg:
        want = pg.execute(f"SELECT {COLUMNS} FROM inventory.orders_enriched WHERE id = %s", (order,)).fetchone()

    def carried():
        rows = clickhouse().query(f"SELECT _version, {COLUMNS} FROM inventory.orders_enriched FINAL "
                                  f"WHERE id = {order} AND NOT _deleted").result_rows
        return [tuple(row) for row in rows] == [(offset, *want)] or rows
    wait_for(f"offset {offset} of partition {partition}", 60, carried)
    _verify()


def _partition_of(order):
    """The partition that the order's records stand in."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": os.environ["SLUICE_KAFKA"], "group.id": "look-orders",
                                         "enable.partition.eof": True, "enable.auto.commit": False})
    parts = consumer.list_topics(SOURCE, timeout=10).topics[SOURCE].partitions
    consumer.assign([confluent_kafka.TopicPartition(SOURCE, p, 0) for p in parts])
    left, found = set(parts), None
    while left:
        message = consumer.poll(20)
        assert message is not None, "nothing came"
        if message.error():
            left.discard(message.partition())
        elif message.key() and json.loads(message.key()) == {"id": order}:
            found = message.partition()
    consumer.close()
    assert found is not None
    return found
