# SPDX-License-Identifier: Apache-2.0
"""The second pipeline under faults: enrich dies while orders, customers and products change."""
import os
import random
import time

import pytest

from engagement import BIN, ROOT, Program, postgres, run
from harness import EXIT_RESTART

PIPELINE = ROOT / "pipelines/orders.yaml"


@pytest.fixture(scope="module")
def enrich(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("orders")
    run("psql", "-q", "-h", os.environ["SLUICE_PG_HOST"], "-p", os.environ["SLUICE_PG_PORT"], "-U", "postgres",
        "-d", os.environ["SLUICE_PG_DB"], "-f", ROOT / "sql/postgres/orders.sql")
    run(BIN / "sluicectl", "bootstrap", PIPELINE)
    worker = Program("orders", [BIN / "sluice-enrich", "--pipeline", PIPELINE], folder).start()
    yield worker
    assert worker.stop() == 0, worker.tail()


def test_orders_kill(enrich, seed):
    dice = random.Random(seed)
    if not enrich.alive():
        enrich.start()
    generate = Program("generate", [BIN / "sluice-generate", "--pipeline", PIPELINE, "--model", "orders", "--count", 1000,
                                    "--rate", "700/s", "--seed", seed], enrich.log.parent).start()
    for _ in range(3):
        time.sleep(dice.uniform(0.1, 0.7))
        assert enrich.alive() or enrich.process.returncode == EXIT_RESTART, enrich.tail()
        enrich.kill()
        if dice.random() < 0.5:  # facts and dimensions change while nobody listens
            with postgres() as pg:
                pg.execute("UPDATE inventory.products SET price = price + 1 WHERE id = "
                           "(SELECT product_id FROM inventory.orders ORDER BY id DESC LIMIT 1)")
        enrich.start()
    assert generate.process.wait(timeout=90) == 0, generate.tail()
    out = run(BIN / "sluicectl", "verify", PIPELINE, "--timeout", "90s", "--settle", "30s", timeout=240)
    assert "0 differ, 0 missing, 0 extra" in out, out
