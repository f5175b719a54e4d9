# SPDX-License-Identifier: Apache-2.0
"""The ClickHouse sink beside other ways into the same embedded server: make bench-clickhouse.

Prints NAME VALUE UNIT BOUND ok|MISS a line; exit 1 on a MISS. Each way is measured ROUNDS times,
in turn, and its best round counts; merges are stopped and the table is emptied before each."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import clickhouse_connect
import lz4.frame

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from clickhouse_server import Server  # noqa: E402

ROWS, BATCH, ROUNDS = 400000, 50000, 3
TABLE = "thm.enriched_events"
TOOL = ROOT / os.environ.get("SLUICE_OUT", "build/gcc") / "tests/bench/bench_native"


class Bench:
    def __init__(self, server, client):
        self.server, self.client = server, client
        self.tick = os.sysconf("SC_CLK_TCK")

    def server_cpu(self):
        fields = open(f"/proc/{self.server.process.pid}/stat").read().rsplit(")")[-1].split()
        return (int(fields[11]) + int(fields[12])) / self.tick

    def empty(self):
        self.server.ask(f"TRUNCATE TABLE {TABLE}")
        self.server.ask(f"SYSTEM STOP MERGES {TABLE}")

    def measure(self, way):
        """(seconds, the server's CPU seconds)"""
        self.empty()
        cpu, start = self.server_cpu(), time.monotonic()
        seconds = way() or time.monotonic() - start
        cpu = self.server_cpu() - cpu
        count = self.client.query(f"SELECT count() FROM {TABLE}").first_row[0]
        assert count == ROWS, f"{count} rows arrived"
        return seconds, cpu

    def sluice(self):
        run = subprocess.run([TOOL, str(ROWS), str(BATCH), f"http://127.0.0.1:{self.server.port}", TABLE],
                             check=True, capture_output=True, text=True, timeout=300)
        return float(run.stdout.split()[0])

    def fetch(self, format_, columns="*"):
        sql = f"SELECT {columns} FROM {TABLE} ORDER BY _version LIMIT {{}}, {BATCH}"
        return [self.client.raw_query(sql.format(at), fmt=format_) for at in range(0, ROWS, BATCH)]

    def splice(self, bodies):
        """What a good client must do at least: each record's JSON gets its version."""
        version = 0
        for lines in bodies:
            rows = []
            for line in lines:
                rows.append(b'%s,"_version":%d,"_deleted":0}\n' % (line[:-1], version))
                version += 1
            yield b"".join(rows)

    def post(self, bodies, format_, compression=None):
        for body in bodies:
            self.client.raw_insert(TABLE, insert_block=body, fmt=format_, compression=compression, settings={"async_insert": 0})


def report(name, value, unit, bound, ok):
    print(f"{name} {value:.2f} {unit} {bound} {'ok' if ok else 'MISS'}", flush=True)
    return ok


def main():
    subprocess.run(["make", "-s", str(TOOL.relative_to(ROOT))], cwd=ROOT, check=True)
    ok = subprocess.run([TOOL], stderr=subprocess.DEVNULL).returncode == 0
    with tempfile.TemporaryDirectory() as folder:
        server = Server(pathlib.Path(folder) / "data")
        try:
            for statement in re.sub(r"--.*", "", (ROOT / "sql/clickhouse/engagement.sql").read_text()).split(";"):
                if statement.strip():
                    server.ask(statement)
            with clickhouse_connect.get_client(host="127.0.0.1", port=server.port, compress=False) as client:
                ok &= run(Bench(server, client))
        finally:
            server.stop()
    return 0 if ok else 1


def run(bench):
    bench.measure(bench.sluice)  # warm, and the rows for the others
    records = [body.splitlines() for body in bench.fetch("JSONEachRow", "* EXCEPT (_version, _deleted)")]
    native_bodies = [lz4.frame.compress(b) for b in bench.fetch("Native")]
    ways = {
        "sluice": bench.sluice,
        "json": lambda: bench.post(bench.splice(records), "JSONEachRow"),
        "native": lambda: bench.post(native_bodies, "Native", "lz4"),
    }
    best = {name: (float("inf"), float("inf")) for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            best[name] = tuple(map(min, best[name], bench.measure(way)))
    for name, (seconds, cpu) in best.items():
        print(f"{name}: {ROWS / seconds / 1000:.0f} krows/s, {cpu * 1e6 / ROWS:.2f} s of the server's CPU a million rows", file=sys.stderr)
    rate = ROWS / best["sluice"][0] / 1000
    faster = best["json"][0] / best["sluice"][0]
    cpu = best["sluice"][1] / best["native"][1]
    return all([report("clickhouse_insert_rate", rate, "krows/s", "-", True),
                report("clickhouse_vs_python_json", faster, "ratio", 2, faster >= 2),
                report("clickhouse_server_cpu_vs_native_file", cpu, "ratio", 1.2, cpu <= 1.2)])


if __name__ == "__main__":
    sys.exit(main())
