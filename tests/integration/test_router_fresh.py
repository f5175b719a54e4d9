# SPDX-License-Identifier: Apache-2.0
"""The router beside the pipeline that fills its replicas: read tokens and max_staleness by the barrier."""
import os
import time

import httpx
import pytest

from engagement import BIN, ROOT, Pipeline, Program, run
from free_port import free_port
from wait import wait_for, wait_until

COUNT = "SELECT count(*) FROM enriched_events"
INSERT = ("INSERT INTO engagement_events (content_id, user_id, event_type, event_ts, device) VALUES "
          "('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', 'click', now(), 'fresh') RETURNING id")


class Router:
    """Routers of one folder honour each other's tokens."""

    def __init__(self, folder, name="router", **env):
        self.url = f"http://127.0.0.1:{free_port()}"
        key, registry = folder / "token.key", folder / "router.yaml"
        key.write_text("5f" * 32)
        text = (ROOT / "pipelines/router.yaml").read_text()
        text = text.replace("\nserver:\n", f"\nserver:\n  token_key_file: {key}\n")
        registry.write_text(text)
        run("psql", "-q", "-h", os.environ["SLUICE_PG_HOST"], "-p", os.environ["SLUICE_PG_PORT"], "-U", "postgres",
            "-d", os.environ["SLUICE_PG_DB"], "-f", ROOT / "sql/postgres/router.sql")
        self.program = Program(name, [BIN / "sluice-router", "--pipeline", registry, "--listen", self.url.removeprefix("http://")],
                               folder, env={"SLUICE_ROUTER_ANONYMOUS": "writer", **env}).start()

    def ask(self, sql, **more):
        return httpx.post(f"{self.url}/v1/query", json={"sql": sql, **more}, timeout=60)

    def answers(self):
        try:
            return self.ask("SELECT 1").status_code == 200
        except httpx.TransportError:
            assert self.program.alive(), self.program.tail()
            return False

    def insert(self):
        """The new row's id and the read token."""
        answer = self.ask(INSERT)
        assert answer.status_code == 200, answer.text
        return answer.json()["rows"][0][0], answer.json()["read_token"]


@pytest.fixture(scope="module")
def pipeline(stack, tmp_path_factory):
    it = Pipeline(tmp_path_factory.mktemp("router_fresh")).start()
    it.caught_up()
    yield it
    codes = it.stop()
    assert all(code == 0 for code in codes.values()), f"exit codes {codes}: logs in {it.folder}"


@pytest.fixture(scope="module")
def router(pipeline):
    it = Router(pipeline.folder)
    wait_until("it answers", it.answers)
    yield it
    assert it.program.stop() == 0, it.program.tail()


def by_clickhouse_with(router, row, token, seconds=120):
    """How often the row is in ClickHouse's first answer to the token; until then it is refused, not wrong."""
    deadline = time.monotonic() + seconds
    while True:
        answer = router.ask(f"{COUNT} WHERE id = {row}", engine="clickhouse", read_token=token)
        if answer.status_code == 200:
            return answer.json()["rows"][0][0]
        assert answer.status_code == 409 and answer.json()["error"]["code"] == "BEHIND_TOKEN", answer.text
        assert time.monotonic() < deadline, f"{answer.text}: {token}\n{router.program.tail()}"
        time.sleep(0.02)


def engine_and_reason(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["engine"], answer.json()["reason"]


def test_a_read_token_stands_for_the_write(router):
    for _ in range(5):
        assert by_clickhouse_with(router, *router.insert()) == 1


def test_a_token_counts_that_was_given_before_kafka_answered(pipeline, router):
    blind = Router(pipeline.folder, "blind", SLUICE_KAFKA="127.0.0.1:1")
    try:
        wait_until("it answers", blind.answers)
        row, token = blind.insert()
        assert by_clickhouse_with(router, row, token) == 1
        assert blind.ask(COUNT, engine="clickhouse", read_token=token).status_code == 409
    finally:
        assert blind.program.stop() == 0, blind.program.tail()


def test_what_is_idle_is_not_stale(router):
    def fresh():
        return router.ask(COUNT, engine="clickhouse", max_staleness="4s").status_code == 200

    wait_until("it is fresh", fresh)
    time.sleep(5)  # nothing is written meanwhile
    wait_until("it still is", fresh)


def test_a_stopped_worker_sends_fresh_reads_to_postgres(pipeline, router):
    pipeline.workers["clickhouse"].stop()
    try:
        before = router.ask(COUNT, engine="postgres").json()["rows"][0][0]
        _, token = router.insert()

        def stale():
            got = engine_and_reason(router.ask(COUNT, max_staleness="2s"))
            return got == ("postgres", "STALE") or got

        wait_for("ClickHouse is stale", 60, stale)
        assert router.ask(COUNT, max_staleness="2s").json()["rows"][0][0] == before + 1
        answer = router.ask(COUNT, read_token=token)
        assert engine_and_reason(answer) == ("postgres", "BEHIND_TOKEN") and answer.json()["rows"][0][0] == before + 1
        for how in ({"max_staleness": "2s"}, {"read_token": token}):
            assert router.ask(COUNT, engine="clickhouse", **how).status_code == 409
        assert router.ask(COUNT, engine="clickhouse").json()["rows"][0][0] == before
    finally:
        pipeline.workers["clickhouse"].start()
    wait_until("it is fresh again", lambda: router.ask(COUNT, engine="clickhouse", read_token=token).status_code == 200)
    assert router.ask(COUNT, engine="clickhouse", read_token=token).json()["rows"][0][0] == before + 1
