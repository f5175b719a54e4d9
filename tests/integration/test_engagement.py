# SPDX-License-Identifier: Apache-2.0
"""The main job on the real systems: 20,000 mixed changes, every worker killed three times."""
import os
import random
import subprocess
import time

import pytest

from engagement import BIN, PIPELINE, WORKERS, Pipeline, postgres, run
from wait import wait_for

SEED = int(os.environ.get("SLUICE_SEED", random.SystemRandom().randrange(1 << 30)))
COUNT = int(os.environ.get("SLUICE_COUNT", "20000"))


@pytest.fixture(scope="module")
def pipeline(stack, tmp_path_factory):
    it = Pipeline(tmp_path_factory.mktemp("engagement")).start()
    yield it
    codes = it.stop()
    assert all(code == 0 for code in codes.values()), f"exit codes {codes}: logs in {it.folder}"


def _everything_holds(pipeline):
    rows = pipeline.check_clickhouse()
    members = pipeline.check_board()
    changes = pipeline.check_receiver()
    records = pipeline.check_enriched_once()
    print(f"seed {SEED}: {rows} rows, {members} members, {changes} changes delivered, {records} records")


def test_seed_rows_arrive(pipeline):
    pipeline.caught_up()
    assert pipeline.check_clickhouse() >= 5


def test_changes_arrive_while_workers_are_killed(pipeline):
    dice = random.Random(SEED)
    generate = pipeline.generate(COUNT, SEED, rate="2500/s")
    kills = [name for name in WORKERS for _ in range(3)]
    dice.shuffle(kills)
    for name in kills:
        time.sleep(dice.uniform(0.2, 1.0))
        pipeline.workers[name].kill()
        time.sleep(dice.uniform(0, 0.3))
        pipeline.workers[name].start()
    assert generate.process.wait(timeout=120) == 0, generate.tail()
    pipeline.caught_up()
    _everything_holds(pipeline)


def test_changes_arrive_in_peace(pipeline):
    generate = pipeline.generate(COUNT, SEED + 1)
    assert generate.process.wait(timeout=120) == 0, generate.tail()
    pipeline.caught_up()
    _everything_holds(pipeline)


def test_check_proves_six_points(pipeline):
    generate = pipeline.generate(0, SEED + 2, rate="20/s")
    try:
        out = run(BIN / "sluicectl", "check", PIPELINE)
    finally:
        generate.stop()
    assert [line[5:6] for line in out.splitlines() if line.startswith("ok")] == list("123456"), out


def test_a_stopped_worker_fails_the_check(pipeline):
    pipeline.workers["http"].stop()
    try:
        done = subprocess.run([BIN / "sluicectl", "check", PIPELINE], capture_output=True, text=True, timeout=120)
        assert done.returncode == 1, done.stdout
        assert "FAIL 1 workers" in done.stdout
    finally:
        pipeline.workers["http"].start()


def test_poison_is_buried_with_its_coordinates(pipeline):
    import confluent_kafka
    producer = confluent_kafka.Producer({"bootstrap.servers": os.environ["SLUICE_KAFKA"]})
    poison = [b'{"before":null', b"\x00\x01\x02binary", b"{}", b'{"op":"x","after":{}}', b'{"op":"c","before":null}',
              b'{"op":"c","before":null,"after":{"id":"not a number"},"source":{}}',
              b"\x00\x00\x00\x00\x07Avro", b""]
    where = []
    for value in poison:
        producer.produce("pg.public.engagement_events", value, key=b'{"id":-1}', partition=1,
                         on_delivery=lambda err, m: where.append(m.offset()))
    assert producer.flush(20) == 0
    pipeline.caught_up()
    letters = {}
    for message in pipeline.records("engagement.dlq"):
        headers = dict(message.headers())
        if headers["__connect.errors.topic"] == b"pg.public.engagement_events":
            letters[int(headers["__connect.errors.offset"])] = (message.value(), headers)
    for offset, value in zip(where, poison):
        assert offset in letters, f"offset {offset} ({value!r}) is not among the dead letters"
        kept, headers = letters[offset]
        assert kept == value
        assert headers["__connect.errors.stage"] == b"decode"
        assert headers["__connect.errors.exception.message"]
    _everything_holds(pipeline)


def test_postgres_away_is_waited_for(pipeline, stack):
    """Lookups fail while the server restarts; nothing is lost or guessed."""
    generate = pipeline.generate(2000, SEED + 3, rate="1000/s")
    assert generate.process.wait(timeout=60) == 0, generate.tail()
    stack_script = PIPELINE.parent.parent / "tests/stack/stack"
    run(stack_script, "down", os.environ["SLUICE_INSTANCE"], "postgres")
    time.sleep(2)
    run(stack_script, "up", os.environ["SLUICE_INSTANCE"], "postgres")

    def connector_runs():
        import httpx
        url = f"{os.environ['SLUICE_CONNECT']}/connectors/pg.engagement.source"
        state = httpx.get(f"{url}/status", timeout=10).json()
        if any(t["state"] == "FAILED" for t in state["tasks"]):
            httpx.post(f"{url}/restart?includeTasks=true&onlyFailed=true", timeout=10)
        return state["connector"]["state"] == "RUNNING" and [t["state"] for t in state["tasks"]] == ["RUNNING"] or state
    wait_for("the connector", 60, connector_runs, every=1)
    with postgres() as pg:
        pg.execute("INSERT INTO engagement_events (content_id, user_id, event_type, event_ts) "
                   "SELECT id, gen_random_uuid(), 'play', now() FROM content LIMIT 20")
    pipeline.caught_up()
    _everything_holds(pipeline)
