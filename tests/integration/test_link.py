# SPDX-License-Identifier: Apache-2.0
"""lib/link's pg and redis against real servers: build/*/tests/golden/link_live talks,
prints a line a claim and stops at the first that fails. SLUICE_PG_HOST, SLUICE_PG_PORT
and SLUICE_REDIS name the servers; database 15 of Redis is used."""
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def live(*args):
    tools = sorted(ROOT.glob("build/*/tests/golden/link_live"), key=lambda p: p.stat().st_mtime)
    assert tools, "no link_live: make golden builds it"
    return subprocess.run([tools[-1], *args], capture_output=True, text=True, timeout=60)


def claims(result, least):
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert len(lines) >= least and all(line.startswith("ok ") for line in lines), result.stdout


def address(name):
    if name not in os.environ:
        pytest.fail(f"{name} must name a running server")
    return os.environ[name]


def conninfo():
    host, port = address("SLUICE_PG_HOST"), address("SLUICE_PG_PORT")
    return f"host={host} port={port} dbname=postgres user=postgres"


def test_pg():
    claims(live("pg", conninfo()), 35)


def test_pg_by_url():
    host, port = address("SLUICE_PG_HOST"), address("SLUICE_PG_PORT")
    claims(live("pg", f"postgresql://postgres@{host}:{port}/postgres"), 35)


def test_redis():
    claims(live("redis", address("SLUICE_REDIS").rstrip("/") + "/15"), 13)


def test_a_failed_claim_fails():
    """The driver can say no: nobody listens on port 1."""
    assert live("redis", "redis://127.0.0.1:1").returncode == 1
