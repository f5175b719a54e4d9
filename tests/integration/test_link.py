# SPDX-License-Identifier: Apache-2.0
"""lib/link's pg and redis against real servers: build/*/tests/golden/link_live talks,
prints a line a claim and stops at the first that fails. SLUICE_PG_HOST, SLUICE_PG_PORT
and SLUICE_REDIS name the servers; database 15 of Redis is used. What would disturb
others is done to a Redis of the test's own, on a unix socket, and to a TLS server."""
import http.server
import os
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from free_port import free_port
from wait import wait_until

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


class Redis:
    """A server of our own without a TCP port."""

    def __init__(self, folder):
        self.folder, self.socket = folder, folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", "",
             "--enable-debug-command", "yes", "--busy-reply-threshold", "100"],
            cwd=self.folder, stdout=subprocess.DEVNULL)
        for _ in range(100):
            if self.cli("PING") == "PONG":
                return
            time.sleep(0.05)
        raise AssertionError("redis-server does not start")

    def cli(self, *words):
        run = subprocess.run(["redis-cli", "-s", str(self.socket), *words],
                             capture_output=True, text=True, timeout=10)
        return run.stdout.strip()

    def ask(self, *words, url=None):
        run = live("ask", url or self.url, *words)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout.splitlines()[-1]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(10)


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop(signal.SIGKILL)


def test_redis_out_of_memory(redis):
    assert redis.ask("SET", "a", "1").startswith("done")
    redis.cli("CONFIG", "SET", "maxmemory", "1")
    assert redis.ask("SET", "a", "1").startswith("retry OOM")
    assert redis.ask("GET", "a").startswith("done")


def test_redis_read_only_replica(redis):
    redis.cli("REPLICAOF", "127.0.0.1", "1")
    assert redis.ask("SET", "a", "1").startswith("retry READONLY")
    redis.cli("CONFIG", "SET", "replica-serve-stale-data", "no")
    assert redis.ask("GET", "a").startswith("retry MASTERDOWN")


def test_redis_busy_with_a_script(redis):
    script = subprocess.Popen(["redis-cli", "-s", str(redis.socket), "EVAL", "while true do end", "0"],
                              stdout=subprocess.DEVNULL)
    wait_until("it is busy", lambda: redis.ask("SET", "a", "1").startswith("retry BUSY"))
    redis.cli("SCRIPT", "KILL")
    script.wait(10)
    assert redis.ask("SET", "a", "1").startswith("done")


def test_redis_cannot_save(redis):
    redis.cli("CONFIG", "SET", "save", "1 1")
    redis.cli("CONFIG", "SET", "dbfilename", "dump.rdb")
    redis.cli("SET", "a", "1")
    # The place of its file is taken by a folder: the rename fails for root too.
    (redis.folder / "dump.rdb").mkdir()
    redis.cli("BGSAVE")
    for _ in range(100):
        if "rdb_last_bgsave_status:err" in redis.cli("INFO", "persistence"):
            break
        time.sleep(0.05)
    assert redis.ask("SET", "a", "1").startswith("retry MISCONF")


def test_redis_pause_is_waited_for_so_long(redis):
    redis.cli("CLIENT", "PAUSE", "2500", "ALL")
    begin = time.monotonic()
    assert redis.ask("GET", "a") == "retry : redis: no answer in time"
    assert 0.9 < time.monotonic() - begin < 3
    redis.cli("CLIENT", "UNPAUSE")


def test_redis_killed_and_back(redis):
    redis.stop(signal.SIGKILL)
    assert redis.ask("PING").startswith("retry")
    redis.start()
    assert redis.ask("PING").startswith("done")


def test_redis_rights(redis):
    redis.cli("ACL", "SETUSER", "reader", "on", ">p@ss", "~open:*", "+get")
    redis.cli("CONFIG", "SET", "requirepass", "secret")
    assert redis.ask("GET", "a").startswith("halt NOAUTH")
    port = redis_port(redis)
    user = f"redis://reader:p%40ss@127.0.0.1:{port}"
    assert redis.ask("GET", "open:a", url=user).startswith("done")
    assert redis.ask("GET", "closed", url=user).startswith("halt NOPERM")
    assert redis.ask("SET", "open:a", "1", url=user).startswith("halt NOPERM")
    wrong = redis.ask("GET", "a", url=f"redis://reader:guess@127.0.0.1:{port}")
    assert wrong.startswith("halt WRONGPASS") and "guess" not in wrong
    assert redis.ask("GET", "a", url=f"redis://:secret@127.0.0.1:{port}/3").startswith("done")


def redis_port(redis):
    """Opens a TCP port too, since users stand in redis:// urls; any free one."""
    port = free_port()
    run = ["redis-cli", "-s", str(redis.socket), "-a", "secret", "--no-auth-warning"]
    assert "OK" in subprocess.run([*run, "CONFIG", "SET", "port", str(port)],
                                  capture_output=True, text=True).stdout
    return port


@pytest.fixture
def tls(tmp_path):
    """An HTTPS server whose certificate only its own file vouches for."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], str(cert)
    server.shutdown()


def test_https_is_verified(tls):
    port, cert = tls
    good = live("get", f"https://localhost:{port}/", cert).stdout
    assert "done" in good and "status 200 unknown 0" in good
    stranger = live("get", f"https://localhost:{port}/").stdout
    assert "halt curl 60" in stranger and "status 0 unknown 0" in stranger
    other_name = live("get", f"https://127.0.0.1:{port}/", cert).stdout
    assert "halt curl 60" in other_name and "status 0 unknown 0" in other_name
    plain = live("get", f"http://localhost:{port}/").stdout
    assert "retry curl 5" in plain and "unknown 1" in plain  # 52 nothing or 56 reset
