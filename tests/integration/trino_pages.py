# SPDX-License-Identifier: Apache-2.0
"""Trino's protocol pages: recorded from a real server by a proxy, and replayed without one.

A scenario is a file of tests/golden/trino: a line a request with its answer, in order. The
server's own address stands as BASE, query ids and slugs as q1, s1, ...
"""
import contextlib
import http.client
import http.server
import json
import re
import socket
import ssl
import threading
import time

WANTED = ("content-type", "retry-after", "www-authenticate", "location")


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who asked may be gone
            self.wfile.write(body)

    def do_GET(self):
        self.server.handle_it(self)

    do_POST = do_DELETE = do_GET


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tls=None):
        """tls: a file with a certificate and its key."""
        super().__init__(("127.0.0.1", 0), Quiet)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class Recorder(Server):
    """Passes everything on and keeps what belongs to the statement that begins with marked."""

    def __init__(self, port):
        self.port, self.kept, self.marked, self.query = port, [], None, None
        super().__init__()

    def record(self, sql):
        self.kept, self.marked, self.query = [], sql, None

    def ask(self, method, path, body=b"", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders() if k.lower() in WANTED}, data

    def keep(self, method, path, status, headers, data, sent=""):
        self.kept.append({"method": method, "path": path, "sent": sent, "status": status, "headers": headers, "body": data.decode()})

    def handle_it(self, request):
        sent = request.body()
        passed = {k: v for k, v in request.headers.items() if k.lower().startswith("x-trino") or k.lower() == "host"}
        try:
            status, headers, data = self.ask(request.command, request.path, sent, passed)
        except (OSError, http.client.HTTPException):  # the server is not there
            request.reply(502, {}, b"")
            return
        if request.command == "POST" and sent.decode() == self.marked and status == 200:
            self.query = json.loads(data)["id"]
        if self.query and (self.query in request.path or sent.decode() == self.marked):
            self.keep(request.command, request.path, status, headers, data, sent.decode())
        request.reply(status, headers, data)

    def run(self, sql):
        """Asks it straight on and keeps its pages: "done", the name of an error, or a status."""
        self.record(sql)
        method, path, sent = "POST", "/v1/statement", sql
        while True:
            try:
                status, headers, data = self.ask(method, path, sent.encode(), {"X-Trino-User": "lake", "Host": self.url[7:]})
                page = json.loads(data)
            except (OSError, http.client.HTTPException, ValueError):
                return "nobody"
            self.keep(method, path, status, headers, data, sent)
            if "error" in page:
                return page["error"]["errorName"]
            if "nextUri" not in page:
                return "done"
            method, path, sent = "GET", page["nextUri"].removeprefix(self.url), ""

    def save(self, file):
        """The scenario, without what differs from run to run."""
        text = "\n".join(json.dumps(self.scrub(e), ensure_ascii=False) for e in self.kept) + "\n"
        names = {}
        for found in re.findall(r"\d{8}_\d{6}_\d{5}_\w{5}", text):
            names.setdefault(found, f"q{len(names) + 1}")
        for found in re.findall(r"/y[0-9a-f]{40}|/x[0-9a-f]{40}", text):
            names.setdefault(found, "/s" + str(len(names) + 1))
        for found, name in names.items():
            text = text.replace(found, name)
        text = text.replace(self.url, "BASE").replace(f"http://127.0.0.1:{self.port}", "BASE")
        file.write_text(text)

    @staticmethod
    def scrub(entry):
        try:
            page = json.loads(entry["body"])
        except ValueError:
            return entry
        for name in "partialCancelUri", "infoUri", "warnings":
            page.pop(name, None)
        stats = page.get("stats", {})
        page["stats"] = {k: stats[k] for k in ("state", "cpuTimeMillis", "physicalInputBytes", "processedBytes", "processedRows") if k in stats}
        if "error" in page:
            page["error"]["failureInfo"] = {"type": page["error"].get("failureInfo", {}).get("type"), "stack": ["io.trino.Secret(Secret.java:1)"]}
        return entry | {"body": json.dumps(page, ensure_ascii=False)}


class Replay(Server):
    """Answers a scenario's requests in their order; change(i, entry) may make them worse. What the
    client sent is in seen; a request that is not the next one is answered 400 and noted."""

    def __init__(self, entries, change=None, tls=None):
        self.entries, self.change, self.at, self.seen, self.wrong = entries, change, 0, [], []
        super().__init__(tls)

    def handle_it(self, request):
        sent = request.body().decode()
        self.seen.append((request.command, request.path, sent, dict(request.headers)))
        entry = self.entries[self.at] if self.at < len(self.entries) else None
        better = self.change and self.change(len(self.seen) - 1, entry)
        if better == "close":
            request.connection.close()
            request.close_connection = True
            return
        if better:
            status, headers, body = better
            request.reply(status, headers, body.replace("BASE", self.url).replace("NETLOC", self.url.partition("//")[2]).encode())
            return
        if not entry or (request.command, request.path) != (entry["method"], entry["path"]) or (entry["sent"] and sent != entry["sent"]):
            self.wrong.append((request.command, request.path, sent))
            request.reply(400, {}, b"not what comes next")
            return
        self.at += 1
        if "USER_CANCELED" in entry["body"]:
            time.sleep(1.5)  # it comes when its query has been cancelled
        request.reply(entry["status"], entry["headers"], entry["body"].replace("BASE", self.url).encode())


class Nobody:
    """A port that nobody has a reason to come to, and how many came."""

    def __init__(self):
        self.socket, self.came = socket.create_server(("127.0.0.1", 0)), 0
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.count, daemon=True).start()

    def count(self):
        with contextlib.suppress(OSError):
            while True:
                self.socket.accept()[0].close()
                self.came += 1

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def scenario(file):
    return [json.loads(line) for line in file.read_text().splitlines()]
