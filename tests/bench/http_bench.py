#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sluice-http beside other ways to post the same: make bench-http.

Prints NAME VALUE UNIT BOUND ok|MISS a line; exit 1 on a MISS. The whole worker is measured, from
Kafka to a receiver that costs little (http_server); libcurl alone, aiohttp and wrk post the same
body to the same receiver. They run in turn, ROUNDS times, and medians count."""
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

from figure import INSTANCE, ROOT, STACK, cpu, figure, missed, peak_mb, use_instance

TOOLS = ROOT / os.environ.get("BENCH_TOOLS", "build/gcc/tests/bench")
sys.path.insert(0, str(ROOT / "tests/integration"))
from free_port import free_port  # noqa: E402
from wait import wait_for  # noqa: E402

ROUNDS, CHANGES, POSTS, SLOW_POSTS, LANES = int(os.environ.get("BENCH_ROUNDS", 5)), 100000, 100000, 20000, 64
ROW = {"id": 3, "content_id": "108b7acc-13c9-5bd7-a92e-c57fa798227d", "user_id": "addd3322-9670-48b2-998e-034cf978e3c0",
       "event_type": "finish", "event_ts": "2026-11-21T08:48:36.002002Z", "duration_ms": 1117190, "device": "web-chrome",
       "content_type": "podcast", "length_seconds": 1275, "engagement_seconds": 1117.19, "engagement_pct": 87.62}


class Server:
    """http_server: what it counted since it was asked last."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/events"
        self.process = subprocess.Popen([TOOLS / "http_server", str(port)], stdout=subprocess.PIPE, text=True)

    def counted(self):
        """(requests, seconds from the first to the last)"""
        self.process.send_signal(signal.SIGUSR1)
        requests, seconds, _ = self.process.stdout.readline().split()
        return int(requests), float(seconds)


class Bench:
    def __init__(self, folder, webhooks):
        self.folder, self.webhooks = folder, webhooks
        self.server = Server(free_port())
        self.pipeline = webhooks.Webhooks(folder, self.server.url, secret=webhooks.SECRET, lanes=LANES)
        self.dead = webhooks.Webhooks(folder, f"http://127.0.0.1:{free_port()}/events", pause_max="1s")
        self.rss, self.body = 0, None

    def fill(self):
        for number in range(CHANGES):
            self.pipeline.change(number, row={**ROW, "id": number})
        self.pipeline.flush()
        for number in range(20000):
            self.dead.change(number, row={**ROW, "id": number})
        self.dead.flush()

    def reset(self):
        """The group reads everything again."""
        wait_for("the group's start", 60, lambda: self.pipeline.start_group(self.pipeline.group))

    def worker(self):
        """(requests a second, CPU us a request) of sluice-http; all deliveries are counted."""
        self.reset()
        self.server.counted()
        self.pipeline.start()
        pid = self.pipeline.process.pid
        self.pipeline.caught_up(300)
        used, self.rss = cpu(pid), max(self.rss, peak_mb(pid))
        assert self.pipeline.stop() == 0
        requests, seconds = self.server.counted()
        assert requests == CHANGES, f"{requests} of {CHANGES} arrived"
        return requests / seconds, used * 1e6 / requests

    def beside_the_dead(self):
        """The same while another destination's worker finds nobody."""
        self.dead.start()
        try:
            self.dead.waits("127.0.0.1")
            return self.worker()
        finally:
            assert self.dead.stop() == 0

    def program(self, count, *command):
        self.server.counted()
        done = subprocess.run([*command[:-1], self.server.url, str(count), str(LANES), self.body, *command[-1]],
                              check=True, capture_output=True, text=True, timeout=300)
        seconds, used = map(float, done.stdout.split())
        assert self.server.counted()[0] == count
        return count / seconds, used * 1e6 / count

    def curl(self):
        headers = ["Content-Type: application/json", "User-Agent: sluice/0", f"webhook-id: {'A' * 26}",
                   f"Idempotency-Key: {'A' * 26}", "webhook-timestamp: 1795000000", f"webhook-signature: v1,{'A' * 44}"]
        return self.program(POSTS, TOOLS / "curl_loop", headers)

    def aiohttp(self):
        return self.program(SLOW_POSTS, sys.executable, ROOT / "tests/bench/http_aiohttp.py", [])

    def wrk(self):
        script = self.folder / "post.lua"
        script.write_text(f"wrk.method = 'POST'\nwrk.body = [[{self.body}]]\n"
                          "wrk.headers['Content-Type'] = 'application/json'\n"
                          f"wrk.headers['webhook-id'] = '{'A' * 26}'\nwrk.headers['webhook-signature'] = 'v1,{'A' * 44}'\n")
        self.server.counted()
        subprocess.run(["wrk", "-t1", f"-c{LANES}", "-d3", "-s", script, self.server.url], check=True, capture_output=True)
        requests, seconds = self.server.counted()
        return requests / seconds, 0


def run(bench):
    ways = {"worker": bench.worker, "curl": bench.curl, "dead": bench.beside_the_dead, "aiohttp": bench.aiohttp}
    if shutil.which("wrk"):
        ways["wrk"] = bench.wrk
    found = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            found[name].append(way())
    rate = {name: statistics.median(r for r, _ in runs) for name, runs in found.items()}
    each = {name: statistics.median(c for _, c in runs) for name, runs in found.items()}
    for name in ways:
        print(f"{name}: {rate[name] / 1000:.1f} kreq/s, {each[name]:.1f} us CPU a request; rounds "
              + " ".join(f"{r / 1000:.1f}" for r, _ in found[name]), file=sys.stderr)
    paired = statistics.median(w[0] / c[0] for w, c in zip(found["worker"], found["curl"]))
    asyncio = statistics.median(w[0] / a[0] for w, a in zip(found["worker"], found["aiohttp"]))
    cost = each["dead"] / each["worker"]
    figure("http_rate", rate["worker"] / 1000, "kreq/s", ">=27")
    figure("http_cpu", each["worker"], "us", "<=30")
    figure("http_vs_curl_multi", paired, "ratio", ">=0.7")
    figure("http_vs_aiohttp", asyncio, "ratio", ">=2")
    figure("http_rss", bench.rss, "MB", "<=64")
    figure("http_dead_neighbour_cpu", cost, "ratio", "<=1.1")
    if "wrk" in rate:
        figure("http_vs_wrk", rate["worker"] / rate["wrk"], "ratio")


def main():
    subprocess.run([STACK, "up", INSTANCE, "kafka"], check=True, stdout=subprocess.DEVNULL)
    use_instance()
    import webhooks  # it reads where Kafka is
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(pathlib.Path(folder), webhooks)
        try:
            sample = {"id": "A" * 26, "op": "c", "table": "public.engagement_events", "key": {"id": 3}, "row": ROW,
                      "before": None, "ts_ms": 1795000000123, "version": 844424930131975}
            bench.body = webhooks.json.dumps(sample, separators=(",", ":"))
            bench.fill()
            run(bench)
        finally:
            bench.server.process.kill()
            bench.pipeline.close()
            bench.dead.close()
            if "SLUICE_TEST_KEEP" not in os.environ:
                subprocess.run([STACK, "wipe", INSTANCE], stdout=subprocess.DEVNULL)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
