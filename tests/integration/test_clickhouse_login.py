# SPDX-License-Identifier: Apache-2.0
"""How sluice-clickhouse finds and greets its servers: several hosts, TLS, a user with a password
file, settings. --check says whether it is let in."""
import hashlib
import pathlib
import socket
import ssl
import subprocess
import threading

import pytest

from clickhouse_server import Server
from engagement import BIN, ROOT, run
from free_port import free_port
from inventory import Mirror


class Tls:
    """Ends TLS in front of a server."""

    def __init__(self, folder, port):
        key, cert = folder / "key.pem", folder / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        self.cert, self.port = cert, port
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, args=(context,), daemon=True).start()

    def accept(self, context):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(context, raw), daemon=True).start()

    def serve(self, context, raw):
        try:
            with context.wrap_socket(raw, server_side=True) as client, socket.create_connection(("127.0.0.1", self.port)) as server:
                def back():
                    while data := server.recv(65536):
                        client.sendall(data)
                threading.Thread(target=back, daemon=True).start()
                while data := client.recv(65536):
                    server.sendall(data)
        except OSError:
            pass  # a client that does not trust us


@pytest.fixture(scope="module")
def world(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("login")
    Mirror(folder).prepare()  # the tables in Postgres
    (folder / "users").write_text(f"sluice {hashlib.sha256(b'open sesame').hexdigest()} readwrite\n")
    server = Server(folder / "data", "--users", folder / "users")
    for statement in filter(str.strip, (ROOT / "sql/clickhouse/inventory-mirror.sql").read_text().split(";\n")):
        server.ask(statement, headers={"X-ClickHouse-User": "sluice", "X-ClickHouse-Key": "open sesame"})
    (folder / "secret").write_text("open sesame\n")
    yield folder, server, Tls(folder, server.port)
    assert server.stop() == 0


def check(folder, urls, *lines):
    text = (ROOT / "pipelines/inventory-mirror.yaml").read_text().replace("../", f"{ROOT}/")
    kept = [line for line in text.splitlines() if not line.startswith(("  url: ${SLUICE_CLICKHOUSE", "  user: ${SLUICE_CLICKHOUSE",
                                                                       "  password: ${SLUICE_CLICKHOUSE"))]
    at = kept.index("clickhouse:") + 1
    path = pathlib.Path(folder) / "p.yaml"
    path.write_text("\n".join(kept[:at] + [f"  url: [{', '.join(urls)}]"] + [f"  {line}" for line in lines] + kept[at:]))
    done = subprocess.run([BIN / "sluice-clickhouse", "--pipeline", path, "--check"], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


LOGIN = ("user: sluice", "password_file: {}/secret")


def login(folder):
    return [line.format(folder) for line in LOGIN]


def test_a_user_with_a_password_file(world):
    folder, server, _ = world
    url = f"http://127.0.0.1:{server.port}"
    assert check(folder, [url], *login(folder)) == (0, "")
    code, words = check(folder, [url], "user: sluice", "password: wrong")
    assert code == 2 and "516" in words, words
    code, words = check(folder, [url], "user: nobody")
    assert code == 2 and "516" in words, words


def test_tls_with_a_certificate_that_is_trusted(world):
    folder, _, tls = world
    assert check(folder, [tls.url], *login(folder), f"ca_file: {tls.cert}") == (0, "")
    asked = subprocess.run([BIN / "sluicectl", "check", pathlib.Path(folder) / "p.yaml"], capture_output=True, text=True, timeout=120)
    assert "4 ClickHouse: 0 rows" in asked.stdout, asked.stdout + asked.stderr  # no worker runs, but it is asked
    code, words = check(folder, [tls.url], *login(folder))
    assert code in (2, 3) and "certificate" in words, words


def test_settings_are_read(world):
    folder, server, _ = world
    out = run(BIN / "sluice-clickhouse", "--pipeline", ROOT / "pipelines/inventory-mirror.yaml", "--print-config")
    assert "operation: 'operation_type'" in out and "order_id: 'id'" in out
    url = f"http://127.0.0.1:{server.port}"
    assert check(folder, [url], *login(folder), "settings: {insert_quorum: 0, max_threads: 1}") == (0, "")
    code, words = check(folder, [url], *login(folder), "settigns: {max_threads: 1}")
    assert code == 2 and "settigns" in words, words


def test_a_dead_host_is_passed_over(world):
    folder, server, _ = world
    dead = f"http://127.0.0.1:{free_port()}"
    code, words = check(folder, [dead], *login(folder))
    assert code == 3 and dead in words, words
    assert check(folder, [dead, f"http://127.0.0.1:{server.port}"], *login(folder)) == (0, "")
