# SPDX-License-Identifier: Apache-2.0
"""`make test-lake`: a real Trino beside the stack's Postgres (tests/stack/lake)."""
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
INSTANCE = os.environ.get("SLUICE_TEST_INSTANCE", "test")


def lake(*words, **environment):
    subprocess.run([ROOT / "tests/stack/lake", *words], check=True, timeout=600, env=os.environ | environment)


@pytest.fixture(scope="session")
def trino(stack):
    lake("up", INSTANCE)
    yield int(os.environ["SLUICE_TRINO"].rpartition(":")[2])
    if not os.environ.get("SLUICE_TEST_KEEP"):
        lake("down", INSTANCE)


def trino_engine(url):
    return {"kind": "trino", "url": url, "user": "lake"}


@pytest.fixture(scope="session")
def reader(trino, tmp_path_factory):
    from engine_asker import asker
    with asker(tmp_path_factory.mktemp("lake"), trino_engine(os.environ["SLUICE_TRINO"]), place="lake.s.t") as a:
        yield a
