# SPDX-License-Identifier: Apache-2.0
"""A dimension that is joined by two columns: what its rows' inserts, updates, deletes and moves do to facts.
Each time the facts of exactly those keys are sent again, and say what Postgres says. Real Debezium."""
import decimal
import json

import pytest

from engagement import postgres
from wait import wait_for
from world import World

# The key's columns stand in another order than the query's, and its halves are shared.
DDL = """
    CREATE TABLE sales (id int PRIMARY KEY, region text, code int, amount int NOT NULL);
    CREATE INDEX ON sales (region, code);
    CREATE TABLE prices (code int, region text, title text, price numeric(10,2), PRIMARY KEY (code, region));
    INSERT INTO prices VALUES (1, 'eu', 'eu one', 1.50), (2, 'eu', 'eu two', 2.25), (1, 'us', 'us one', 10.00),
        (1, 'l''été (a, b)', 'odd', 0.10);
    INSERT INTO sales SELECT n, (ARRAY['eu', 'us', 'l''été (a, b)', NULL])[1 + n % 4], NULLIF(1 + n / 4 % 4, 4), n
        FROM generate_series(1, 160) n;
"""
SQL = """SELECT s.id, s.region, s.code, p.title, p.price * s.amount AS total
    FROM {s}.sales s LEFT JOIN {s}.prices p ON p.region = s.region AND p.code = s.code"""


@pytest.fixture(scope="module")
def world(stack, tmp_path_factory):
    it = World(tmp_path_factory.mktemp("composite"), DDL, SQL, ["sales", "prices"], ["id"], connector=True).start()
    yield it
    codes = it.stop()
    assert all(code == 0 for code in codes.values()), f"exit codes {codes}: logs in {it.folder}"


class Steps:
    """Changes of the dimension, and the facts that came because of each."""

    def __init__(self, world):
        self.world, self.next_id, self.ends = world, 1000, {}

    def wanted(self):
        with postgres() as pg:
            return {row[0]: row[1:] for row in pg.execute(SQL.format(s=self.world.schema))}

    def equal(self):
        now, wanted = {}, self.wanted()
        for key, _, _, _, _, text in self.world.records():
            row = json.loads(text, parse_float=decimal.Decimal) if text else None
            now[key["id"]] = row and (row["region"], row["code"], row["title"],
                                      None if row["total"] is None else decimal.Decimal(row["total"]))
        return now == wanted or [(i, now.get(i), w) for i, w in wanted.items() if now.get(i) != w][:3]

    def came(self):
        """Ids and operations of the records that were not seen before."""
        new = []
        for key, _, headers, partition, offset, _ in self.world.records():
            if offset >= self.ends.get(partition, 0):
                new.append((key["id"], headers["sluice.op"]))
                self.ends[partition] = offset + 1
        return new

    def fence(self):
        """A fact that comes after all that was asked for before."""
        self.next_id += 1
        with postgres() as pg:
            pg.execute(f"INSERT INTO {self.world.schema}.sales VALUES (%s, NULL, 1, 1)", (self.next_id,))
        wait_for("the last fact", 60, lambda: self.next_id in [r[0]["id"] for r in self.world.records()])

    def change(self, statement, *keys):
        """Exactly the facts of these keys come, once each, and all facts are Postgres'."""
        with postgres() as pg:
            pg.execute(f"SET search_path TO {self.world.schema}")
            ids = {i for i, in pg.execute("SELECT id FROM sales WHERE (region, code) IN (SELECT * FROM unnest(%s::text[], %s::int[]))",
                                          ([r for r, _ in keys], [c for _, c in keys]))}
            assert len(ids) >= 10 * len(keys), ids
            pg.execute(statement)
        wait_for(statement, 60, self.equal)
        self.fence()
        came = [one for one in self.came() if one != (self.next_id, "c")]
        assert sorted(came) == sorted((i, "r") for i in ids), statement


def test_the_facts_of_a_composite_key(world):
    steps = Steps(world)
    wait_for("the snapshot", 60, steps.equal)
    steps.fence()
    steps.came()
    steps.change("UPDATE prices SET price = price + 0.01 WHERE region = 'eu' AND code = 1", ("eu", 1))
    steps.change("INSERT INTO prices VALUES (2, 'us', 'late', 7)", ("us", 2))
    steps.change("DELETE FROM prices WHERE region = 'us' AND code = 1", ("us", 1))
    steps.change("UPDATE prices SET title = 'ode' WHERE region LIKE 'l''%'", ("l'été (a, b)", 1))
    # A part of the key: the facts of the old one and of the new one.
    steps.change("UPDATE prices SET code = 3 WHERE region = 'eu' AND code = 2", ("eu", 2), ("eu", 3))
    steps.change("UPDATE prices SET region = 'us' WHERE region = 'eu' AND code = 1", ("eu", 1), ("us", 1))
    # Several rows at once: no fact of another pairing of their halves.
    steps.change("UPDATE prices SET price = 3 WHERE (region, code) IN (('us', 1), ('eu', 3))", ("us", 1), ("eu", 3))
    # A fact that comes later is joined to what the row says now.
    with postgres() as pg:
        pg.execute(f"INSERT INTO {world.schema}.sales VALUES (500, 'us', 2, 3), (501, 'eu', 1, 3)")
    wait_for("new facts", 60, steps.equal)
    code, out = world.sluicectl("verify")
    assert code == 0, out
