# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy that reads each insert whole, and does with it what it is told to.

A test sets `plan`, a function of a Request that returns the name of what to do with it:
    None        forward it, and the answer
    "drop"      cut the client; the server never hears of it
    "half"      the server gets half of the body and then the end of the connection; so does the client
    "mute"      the server gets it all; the client is cut instead of hearing the answer
    "late"      the client is cut; the server gets it when release() is called
`at` is a function called with (point, request) on the way: "head" before anything is sent to the
server, "half" when half of the body was, "sent" when all was, "answered" when the answer is there
and was not passed on, "passed" when it was."""
import http.client
import socket
import socketserver
import threading
import urllib.parse

HALF, WHOLE = "half", "whole"


class Request:
    def __init__(self, head, body):
        self.head, self.body = head, body
        self.line = head.split(b"\r\n", 1)[0].decode()
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.line.split()[1]).query)
        self.query = query.get("query", [body.decode(errors="replace")])[0]
        self.token = query.get("insert_deduplication_token", [None])[0]
        self.is_insert = self.query.startswith("INSERT")
        self.table = self.query.split("(")[0].replace("`", "").removeprefix("INSERT INTO ").strip() if self.is_insert else None


class HttpProxy:
    def __init__(self, target):
        self.target = target  # (host, port)
        self.plan = self.at = None
        self.inserts, self.held, self.tokens = 0, [], []
        self._lock = threading.Lock()
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                proxy._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a client that was cut

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def calm(self):
        self.plan = self.at = None

    def release(self):
        """The held inserts reach the server now; their statuses."""
        with self._lock:
            held, self.held = self.held, []
        return [self._exchange(request)[0] for request in held]

    # --- inside ---

    def _point(self, name, request):
        if self.at and request.is_insert:
            self.at(name, request)

    def _exchange(self, request, part=WHOLE):
        """(status, raw answer)"""
        with socket.create_connection(self.target, timeout=60) as server:
            half = len(request.body) // 2
            server.sendall(request.head + b"\r\n\r\n" + request.body[:half])
            self._point("half", request)
            if part == HALF:
                return 0, b""
            server.sendall(request.body[half:])
            self._point("sent", request)
            answer = http.client.HTTPResponse(server)
            answer.begin()
            body = answer.read()
            head = "".join(f"{name}: {value}\r\n" for name, value in answer.getheaders()
                           if name.lower() not in ("transfer-encoding", "content-length", "connection"))
            return answer.status, (f"HTTP/1.1 {answer.status} {answer.reason}\r\n{head}Content-Length: {len(body)}\r\n"
                                   "\r\n").encode() + body

    def _serve(self, client):
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                data = client.recv(65536)
                if not data:
                    return
                buffer += data
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            if b"100-continue" in fields.get(b"expect", b""):
                client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"expect:"))
            length = int(fields.get(b"content-length", 0))
            while len(buffer) < length:
                data = client.recv(65536)
                if not data:
                    return
                buffer += data
            request, buffer = Request(head, buffer[:length]), buffer[length:]
            if not self._handle(client, request):
                return

    def _handle(self, client, request):
        with self._lock:
            self.inserts += request.is_insert
            self.tokens += [request.token] if request.token else []
            what = self.plan(request) if self.plan and request.is_insert else None
            if what == "late":
                self.held.append(request)
        self._point("head", request)
        if what in ("drop", "late"):
            return False
        _, answer = self._exchange(request, HALF if what == "half" else WHOLE)
        if what in ("half", "mute"):
            return False
        self._point("answered", request)
        client.sendall(answer)
        self._point("passed", request)
        return True
