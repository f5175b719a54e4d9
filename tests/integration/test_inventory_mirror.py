# SPDX-License-Identifier: Apache-2.0
"""The inventory mirror on the real systems: pipelines/inventory-mirror.yaml as it is."""
import os
import random
import subprocess

import pytest

from engagement import BIN, clickhouse, postgres, run
from inventory import PIPELINE, Mirror

SEED = int(os.environ.get("SLUICE_SEED", random.SystemRandom().randrange(1 << 30)))
COUNT = int(os.environ.get("SLUICE_COUNT", "20000"))


@pytest.fixture(scope="module")
def mirror(stack, tmp_path_factory):
    it = Mirror(tmp_path_factory.mktemp("mirror")).start()
    yield it
    assert it.worker.stop() == 0, it.worker.tail()


def test_seed_rows_arrive(mirror):
    tables, _ = mirror.check()
    assert tables["customers"] >= 3 and tables["products"] >= 4


def test_twenty_thousand_mixed_changes(mirror):
    print("seed", SEED)
    generate = mirror.generate(COUNT, SEED)
    dice = random.Random(SEED)
    with postgres() as pg:
        for n in range(60):  # the other two tables change too
            pg.execute("UPDATE inventory.customers SET last_name = %s WHERE id = %s", (f"Ünal-{n}", dice.randrange(1, 4)))
            pg.execute("UPDATE inventory.products SET price = price + 0.01 WHERE id = %s", (dice.randrange(1, 5),))
            if n % 10 == 0:
                mirror.worker.kill()
                mirror.worker.start()
    assert generate.process.wait(timeout=120) == 0, generate.tail()
    print(mirror.check())


def test_every_kind_of_change(mirror):
    """Moved keys, deletes, NULLs, a value that Postgres keeps out of line and does not send."""
    long = "".join(random.Random(SEED).choices("abcdefghijklmnopqrstuvwxyz", k=20000))
    with postgres() as pg:
        pg.execute("DELETE FROM inventory.products WHERE id IN (900001, 900002, 900003)")
        pg.execute("INSERT INTO inventory.products (id, name, description, price) VALUES (900001, 'a', %s, 1.5), (900002, 'b', NULL, 2)",
                   (long,))
        pg.execute("UPDATE inventory.products SET price = 99999999.99 WHERE id = 900001")  # description is not in the event
        pg.execute("UPDATE inventory.products SET id = 900003 WHERE id = 900002")
        pg.execute("UPDATE inventory.products SET description = NULL, name = 'quote\"\\' WHERE id = 3")
        order = pg.execute("INSERT INTO inventory.orders (order_date, purchaser, quantity, product_id)"
                           " VALUES ('2024-02-29', 1, 1, 1) RETURNING id").fetchone()[0]
        pg.execute("UPDATE inventory.orders SET id = id + 1000000 WHERE id = %s", (order,))
        pg.execute("DELETE FROM inventory.orders WHERE id = %s", (order + 1000000,))
    mirror.check()
    with clickhouse() as client:
        assert client.query("SELECT length(description) FROM inventory.products_current WHERE id = 900001").first_row == (20000,)
        ops = client.query("SELECT operation_type, order_id, quantity FROM inventory.orders_final WHERE order_id IN"
                           " ({a:UInt32}, {b:UInt32}) ORDER BY _offset", parameters={"a": order, "b": order + 1000000}).result_rows
    assert sorted(ops) == sorted([("c", order, 1), ("d", order, 0), ("c", order + 1000000, 1), ("d", order + 1000000, 0)])


def ends_with(mirror, code, words):
    """The worker stops by itself."""
    assert mirror.worker.process.wait(timeout=40) == code, mirror.worker.tail()
    assert all(word in mirror.worker.tail(3) for word in words), mirror.worker.tail(3)


def rename_someone(name):
    with postgres() as pg:
        pg.execute("UPDATE inventory.customers SET last_name = %s WHERE id = 1", (name,))


def test_a_column_that_clickhouse_gets_takes_its_default(mirror):
    with clickhouse() as client:
        client.command("ALTER TABLE inventory.customers ADD COLUMN note String DEFAULT 'none'")
        try:
            rename_someone("Default")
            mirror.caught_up()
            assert client.query("SELECT last_name, note FROM inventory.customers FINAL WHERE id = 1").first_row == ("Default", "none")
        finally:
            client.command("ALTER TABLE inventory.customers DROP COLUMN note")
    mirror.check_tables()


def test_a_column_that_clickhouse_loses_stops_the_worker(mirror):
    with clickhouse() as client:
        client.command("ALTER TABLE inventory.customers DROP COLUMN email")
        try:
            rename_someone("Dropped")
            ends_with(mirror, 4, ["inventory.customers", "no column email"])
            mirror.worker.start()
            ends_with(mirror, 2, ["inventory.customers", "no column email"])
        finally:
            client.command("ALTER TABLE inventory.customers ADD COLUMN email String AFTER last_name")
    mirror.worker.start()
    with postgres() as pg:
        pg.execute("UPDATE inventory.customers SET email = email")  # what was dropped is gone in ClickHouse
    mirror.check()


def test_a_column_that_postgres_gets_is_asked_for(mirror):
    with postgres() as pg, clickhouse() as client:
        pg.execute("ALTER TABLE inventory.customers ADD COLUMN city text")
        try:
            pg.execute("UPDATE inventory.customers SET city = 'Lagos' WHERE id = 1")
            ends_with(mirror, 3, ["inventory.customers has a new column city"])
            mirror.worker.start()
            ends_with(mirror, 2, ["no column city"])
            client.command("ALTER TABLE inventory.customers ADD COLUMN city Nullable(String)")
            mirror.worker.start()
            mirror.caught_up()
            assert client.query("SELECT city FROM inventory.customers FINAL WHERE id = 1").first_row == ("Lagos",)
            mirror.check_tables()
        finally:
            pg.execute("ALTER TABLE inventory.customers DROP COLUMN city")
            rename_someone("City")
            mirror.worker.stop()
            mirror.worker.start()
            mirror.caught_up()
            client.command("ALTER TABLE inventory.customers DROP COLUMN IF EXISTS city")
    mirror.check()


def test_a_row_that_one_table_refuses_is_one_dead_letter(mirror):
    """orders takes any quantity; orders_final has UInt32. Of 10,000 rows 9,999 arrive there."""
    before = mirror.letters()
    with postgres() as pg:
        rows = pg.execute("INSERT INTO inventory.orders (order_date, purchaser, quantity, product_id) SELECT '2024-03-01', 1,"
                          " CASE n WHEN %s THEN -5 ELSE n END, 1 FROM generate_series(1, 10000) n RETURNING id, quantity",
                          (random.Random(SEED).randrange(1, 10001),)).fetchall()
    mirror.caught_up()
    mirror.check_tables()
    poisoned = next(number for number, quantity in rows if quantity == -5)
    with clickhouse() as client:
        found = {row[0] for row in client.query("SELECT order_id FROM inventory.orders_final WHERE order_date = '2024-03-01'"
                                                " AND operation_type = 'c'").result_rows}
    assert {number for number, _ in rows} - found == {poisoned}
    assert len(mirror.letters() - before) == 1
    assert "out of range" in mirror.worker.tail(50)
    with postgres() as pg:
        pg.execute("DELETE FROM inventory.orders WHERE order_date = '2024-03-01'")
    mirror.check()


def test_check_and_status(mirror):
    done = subprocess.run([BIN / "sluice-clickhouse", "--pipeline", PIPELINE, "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([BIN / "sluicectl", "status", PIPELINE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "clickhouse_orders_group" in done.stdout, done.stdout + done.stderr


def test_ddl_makes_tables_that_take_the_rows(mirror, tmp_path):
    """What sluicectl ddl prints is run as it is, in a database of its own, and mirrored into."""
    text = PIPELINE.read_text().replace("../", f"{PIPELINE.parent.parent}/").replace("database: inventory", "database: inventory_ddl")
    text = text.replace("clickhouse_orders_group", "inventory_ddl_group").replace("name: inventory-mirror", "name: inventory-ddl")
    (tmp_path / "p.yaml").write_text("\n".join(line for line in text.splitlines() if "ddl:" not in line))
    ddl = run(BIN / "sluicectl", "ddl", tmp_path / "p.yaml")
    with clickhouse() as client:
        try:
            for statement in filter(str.strip, ddl.split(";\n")):
                client.command(statement)
            done = subprocess.run([BIN / "sluice-clickhouse", "--pipeline", tmp_path / "p.yaml", "--check"],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            names = [row[0] for row in client.query("SELECT name FROM system.tables WHERE database = 'inventory_ddl'").result_rows]
            assert sorted(names) == ["customers", "customers_current", "orders", "orders_current", "orders_final", "products", "products_current"]
        finally:
            client.command("DROP DATABASE inventory_ddl")
