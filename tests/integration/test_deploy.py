# SPDX-License-Identifier: Apache-2.0
"""What people deploy: the compose file, the systemd units, make install."""
import os
import pathlib
import re
import socket
import subprocess
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("SLUICE_BIN", ROOT / "build/bin"))


def test_compose_file_fits_the_specification():
    subprocess.run(["check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml"],
                   check=True, timeout=60)


def test_compose_names_ports_and_images():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    wanted = {"postgres": "5432", "kafka": "19092", "connect": "8083", "clickhouse": "8123", "redis": "6379",
              "external-api": "8088", "router": "8000"}
    for name, port in wanted.items():
        assert any(f":{port}:" in p for p in compose[name]["ports"]), name
    for name in [*wanted, "event-generator", "enrich", "clickhouse-sink", "redis-agg", "http-sink", "init"]:
        service = compose[name]
        assert service["container_name"] == name
        assert ":" in service["image"] and not service["image"].endswith(":latest")
        assert name in ("init", "event-generator") or "healthcheck" in service, name
        if service["image"].startswith("sluice:"):
            assert service["user"] == "10001"


def test_the_image_holds_what_the_router_opens():
    """Without the library or the file its DuckDB engine is out."""
    environment = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["router"]["environment"]
    image = (ROOT / "cmd/deploy/docker/Dockerfile").read_text()
    folder, library = os.path.split(environment["SLUICE_DUCKDB"])
    assert f"cd /out{folder}" in image and f"package/{library}" in image
    assert f"rev.py /out{environment['SLUICE_REV']}" in image
    assert re.search(r"^duckdb=\S+@[\d.]+", (ROOT / "tests/stack/install.sh").read_text(), re.M)
    assert re.search(r"^duckdb==[\d.]+$", (ROOT / "tests/requirements.txt").read_text(), re.M)


def test_units_verify_on_an_install(tmp_path):
    """The units are verified where they are installed: ExecStart comes from PREFIX and must be there."""
    subprocess.run(["make", "--no-print-directory", "install", f"PREFIX={tmp_path}"], cwd=ROOT, check=True, timeout=300,
                   capture_output=True)
    units = sorted((tmp_path / "lib/systemd/system").glob("*.service"))
    workers = [f"sluice-{w}@.service" for w in ("clickhouse", "enrich", "http", "leaderboard")]
    assert [u.name for u in units] == [*workers, "sluice-router.service"]
    for unit in units:
        program = tmp_path / "bin" / unit.stem.split("@")[0]
        assert f"ExecStart={program} " in unit.read_text()
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert not [line for line in done.stderr.splitlines() if "sluice-" in line], done.stderr


def test_a_worker_tells_systemd_how_it_is(tmp_path):
    """READY comes before the first connection, STATUS says what it waits for, WATCHDOG goes on."""
    address = str(tmp_path / "notify")
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(address)
    notify.settimeout(10)
    env = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "600000", "SLUICE_PG_PORT": "1",
           "SLUICE_KAFKA": "127.0.0.1:1"}
    worker = subprocess.Popen([BIN / "sluice-enrich", "--pipeline", ROOT / "pipelines/engagement.yaml", "--listen", "-"],
                              env={k: v for k, v in env.items() if k != "WATCHDOG_PID"}, stderr=subprocess.DEVNULL)
    try:
        heard, end = [], time.monotonic() + 15
        while time.monotonic() < end:
            heard += notify.recv(4096).decode().splitlines()
            if heard.count("WATCHDOG=1") >= 3 and any("waiting for Postgres" in line for line in heard):
                break
        assert heard[0] == "READY=1", heard
        assert heard.count("WATCHDOG=1") >= 3, heard
        assert any(line.startswith("STATUS=waiting for Postgres") for line in heard), heard
    finally:
        worker.terminate()
    assert worker.wait(timeout=20) == 0
    notify.close()
