# SPDX-License-Identifier: Apache-2.0
"""An engine of a registry, asked through the router's driver (tests/golden/engine_ask.c)."""
import contextlib
import json
import os
import pathlib
import queue
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ASK = ROOT / os.environ.get("SLUICE_ENGINE_ASK", "build/gcc/tests/golden/engine_ask")
WAIT = 60  # seconds: nothing here takes that long but on a machine that is very busy


def registry(folder, engine, place="t"):
    """A file in which `engine`, called by its kind, is the only one and holds the table t in `place`."""
    kind = engine["kind"]
    file = folder / f"{kind}.yaml"
    file.write_text(json.dumps({"engines": {kind: engine}, "roles": {"reader": {}}, "tables": {
        "t": {"columns": {"member": "text", "score": "double precision"}, "engines": {kind: place}}}}))
    return file


class Asker:
    """What engine_ask says is kept by id, in the order it came."""

    def __init__(self, file, engine, *sizes):
        self.process = subprocess.Popen([ASK, file, engine, *map(str, sizes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said, self.parts, self.lines = {}, queue.Queue(), iter(())
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        """So that it never waits for its reader."""
        rest = b""
        while part := os.read(self.process.stdout.fileno(), 1 << 20):
            *lines, rest = (rest + part).split(b"\n")
            self.parts.put(lines)
        self.parts.put(None)

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def next(self, seconds):
        """The next line, or None when there is none in that time."""
        while (line := next(self.lines, None)) is None:
            try:
                part = self.parts.get(timeout=seconds)
            except queue.Empty:
                return None
            assert part is not None, f"engine_ask ended: {self.process.wait(timeout=10)}"
            self.lines = iter(part)
        line = json.loads(line)
        self.said.setdefault(line.get("id"), []).append(line)
        return line

    def until(self, wanted, seconds=WAIT):
        """The first line that is wanted."""
        while True:
            line = self.next(seconds)
            assert line is not None, f"engine_ask said nothing for {seconds} s"
            if wanted(line):
                return line

    def end(self, name):
        for line in self.said.get(name, []):
            if "end" in line:
                return line
        return self.until(lambda line: line.get("id") == name and "end" in line)

    def given(self, name):
        """The rows of what was told under this id."""
        return [line["row"] for line in self.said.get(name, []) if "row" in line]

    def columns(self, name):
        return next(line["columns"] for line in self.said[name] if "columns" in line)

    def run(self, sql, *params, **more):
        """(end, rows) of one statement."""
        self.said.pop("run", None)
        self.tell(ask="run", sql=sql, params=list(params), **more)
        return self.end("run"), self.given("run")

    def state(self):
        self.tell(state=True)
        return self.until(lambda line: "state" in line)["state"]

    def paused(self, name, rows):
        return self.until(lambda line: line.get("id") == name and line.get("paused") == rows)

    def ask(self, sql, params=(), pause_ms=1, cancel_ms=None, **more):
        """One statement to its end: the line of that, with fate, code ("": none), what, count, columns
        ([[name, OID]]) and rows. Its pauses last pause_ms each; cancel_ms: cancelled after that."""
        self.said.pop("ask", None)
        self.tell(ask="ask", sql=sql, params=list(params), **more)
        began = time.monotonic()
        last = began + more.get("deadline_ms", 60_000) / 1000 + WAIT
        due = [] if cancel_ms is None else [(began + cancel_ms / 1000, "cancel")]
        line = None
        while not line or "end" not in line:
            now = time.monotonic()
            assert now < last, f"no end: {sql}"
            for at, what in [d for d in due if d[0] <= now]:
                due.remove((at, what))
                self.tell(**{what: "ask"})
            line = self.next(max(0, min([at for at, _ in due] + [last]) - now))
            if line and "paused" in line:
                due.append((time.monotonic() + pause_ms / 1000, "more"))
        said = next((line for line in self.said["ask"] if "columns" in line), None)
        return {"code": "", "what": "", **line, "fate": line["end"], "count": line["rows"], "rows": self.given("ask"),
                "columns": said and [list(pair) for pair in zip(said["columns"], said["oids"], strict=True)]}

    def rows(self, sql, params=(), **more):
        """The rows of one that is done."""
        answer = self.ask(sql, params, **more)
        assert answer["fate"] == "done", answer
        return answer["rows"]

    def peak_mb(self):
        """The most memory that it ever held."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=WAIT) == 0


@contextlib.contextmanager
def asker(folder, engine, *sizes, place="t"):
    a = Asker(registry(folder, engine, place), engine["kind"], *sizes)
    try:
        yield a
        a.close()
    finally:
        a.process.kill()
        a.process.wait()
