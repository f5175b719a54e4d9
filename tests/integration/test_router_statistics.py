# SPDX-License-Identifier: Apache-2.0
"""Row estimates come from the engines, but for the tables whose number stands in the registry;
statements alike are measured, and /v1/explain says so."""
import time

import pytest

from router_world import RouterWorld, admin


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    world = RouterWorld(tmp_path_factory.mktemp("router"), name="router_statistics").make()
    with admin("router_statistics") as pg:
        pg.execute("ANALYZE")
    world.start()
    yield world
    assert world.stop() == 0
    world.drop()


def estimates(router, who="alice"):
    return {t["name"]: t.get("rows_estimated") for t in router.get("/v1/tables", who=who).json()["tables"]}


def test_rows_of_postgres(router):
    until = time.monotonic() + 60
    while (estimates(router)["users"], estimates(router)["customers"]) != (1000, 60):
        assert time.monotonic() < until, estimates(router)
        time.sleep(0.1)
    assert estimates(router)["top10"] is None
    assert estimates(router, "ann")["users"] == 1000 and estimates(router, "ann")["customers"] is None  # hers are filtered


def predicted(router, sql):
    engines = router.ask(sql, path="/v1/explain").json()["engines"]
    return {engine["name"] for engine in engines if engine.get("predicted_ms", 0) > 0}


def test_what_ran_before_is_predicted(router):
    for i in range(3):
        assert router.ask(f"SELECT role, count(*) FROM users WHERE id > {i} GROUP BY role").status_code == 200
    assert len(predicted(router, "SELECT role,COUNT(*) FROM users WHERE id > 77 GROUP BY role -- the same")) == 1
    assert predicted(router, "SELECT role, max(id) FROM users GROUP BY role") == set()


def test_averages_of_clickhouse_have_the_digits_of_postgres(router):
    sql = "SELECT role, count(*), round(avg(amount), 2), avg(score), avg(amount) FILTER (WHERE id < 0) FROM users GROUP BY 1"
    answers = {engine: router.ask(sql, engine=engine).json() for engine in ("clickhouse", "postgres")}
    assert len(answers["postgres"]["rows"]) == 3
    assert sorted(answers["clickhouse"]["rows"]) == sorted(answers["postgres"]["rows"])
    assert answers["clickhouse"]["columns"] == answers["postgres"]["columns"]
    failed = router.ask("SELECT 1 / (avg(amount) - avg(amount)) FROM users", engine="clickhouse")
    assert failed.status_code == 400 and "22012" in failed.text, failed.text
