# SPDX-License-Identifier: Apache-2.0
"""An embedded ClickHouse for a test: its own port and folder, timeouts everywhere."""
import http.client
import os
import pathlib
import subprocess
import time
import urllib.parse

from free_port import free_port
from wait import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("CLICKHOUSE_EMBEDDED", str(ROOT / "build/gcc/tests/clickhouse-embedded"))
LIBRARY = str(ROOT / "build/deps/chdb/libchdb.so")
TIMEOUT = 20


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def code(self):
        return self.headers.get("X-ClickHouse-Exception-Code")


class Server:
    def __init__(self, folder, *more):
        for needed, by in ((BINARY, "make build/gcc/tests/clickhouse-embedded"), (LIBRARY, "tests/stack/stack install")):
            assert os.path.exists(needed), f"{needed} is missing: {by}"
        self.port, self.folder, self.more = free_port(), folder, more
        self.log = open(str(folder) + ".log", "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [BINARY, "--path", str(self.folder), "--port", str(self.port), "--lib", LIBRARY, *self.more],
            stderr=self.log)
        end = time.monotonic() + TIMEOUT
        while True:
            try:
                assert self.request("GET", "/ping").text == "Ok.\n"
                return
            except OSError:
                assert self.process.poll() is None, pathlib.Path(self.log.name).read_text()
                assert time.monotonic() < end, "the server does not come up"
                time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        status = self.process.wait(TIMEOUT)
        self.log.close()
        return status

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)

    def request(self, method, path, body=None, headers=None):
        connection = self.connection()
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def post(self, sql, body=None, headers=None, **arguments):
        """sql in the URL when there is a body, else as the body."""
        if body is not None:
            arguments["query"] = sql
        return self.request("POST", "/?" + urllib.parse.urlencode(arguments), sql.encode() if body is None else body, headers)

    def ask(self, sql, body=None, headers=None, **arguments):
        answer = self.post(sql, body, headers, **arguments)
        assert answer.status == 200, answer.text
        return answer.text

    def running(self, query_id):
        return self.ask("SELECT count() FROM system.processes WHERE Settings['log_comment'] = {id:String}", param_id=query_id) != "0\n"

    def wait_for_query(self, query_id):
        wait_until(f"{query_id} runs", lambda: self.running(query_id), TIMEOUT, every=0.02)

    def kb(self, field):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise AssertionError(field)
