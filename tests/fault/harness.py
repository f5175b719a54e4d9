# SPDX-License-Identifier: Apache-2.0
"""The engagement pipeline under faults: extra slots, restarts by exit code, and what must hold.

How a file of fault tests uses it:

    SINKS = ("http",)                  # workers beside enrich that shall run; none by default

    def test_http_kill(stream, seed):  # one run of a fault: the two fixtures of conftest.py
        dice = random.Random(seed)     # a failure is repeated by its seed
        generate = stream.generate(1000, seed)
        time.sleep(dice.uniform(0.1, 0.5))
        stream.workers["http"].kill()
        stream.workers["http"].start()
        found = stream.check(generate)  # the barrier, then everything that must hold

One stream lives as long as the session. Before and after each run everything is mended: servers
up, one worker of each wanted kind. A test may stop, kill and start workers and servers as it
likes, and leaves nothing behind. A run is one seed; SLUICE_FAULT_N says how many (3, or 1 of a
test with @pytest.mark.slow), SLUICE_FAULT_SEED which is the first, SLUICE_FAULT_LOG which file
gets a line a run: `make fault NAME=http_kill N=20` sets all three. What enrich wrote is compared
by audit.py; a running sink is compared with Postgres by its check_NAME. Behind a fault's last run,
and when the session ends, `sluicectl verify` compares everything."""
import collections
import concurrent.futures
import os
import pathlib
import signal
import subprocess

import confluent_kafka
import confluent_kafka.admin
import httpx
import kafka.errors

import offsets
from audit import CONTENT, Audit, Changes
from engagement import BIN, ENRICHED, PIPELINE, ROOT, SOURCE, WORKERS, Pipeline, Program, postgres, run, wal_now
from wait import wait_for

STACK = ROOT / "tests/stack/stack"
INSTANCE = os.environ["SLUICE_INSTANCE"]
PIDS = pathlib.Path(os.environ.get("STACK_DIR") or ROOT / "build/stack") / INSTANCE / "pid"
SERVERS = ("postgres", "redis", "kafka", "connect", "clickhouse")
CONNECTOR = "pg.engagement.source"
EXIT_RESTART = 3
PATIENCE = 180  # seconds until everything must have arrived, on a loaded machine


def server_pid(name):
    return int((PIDS / name).read_text().split()[0])


def server_runs(name):
    try:
        return not pathlib.Path(f"/proc/{server_pid(name)}/stat").read_text().rpartition(")")[2].startswith(" Z")
    except (OSError, ValueError, IndexError):
        return False


class Stream(Pipeline):
    """The pipeline whose workers and servers are hurt."""

    def __init__(self, folder):
        super().__init__(folder)
        self.sinks, self.verify_due = (), True
        self.restarts = collections.Counter()

    def start(self):
        run("psql", "-q", "-h", os.environ["SLUICE_PG_HOST"], "-p", os.environ["SLUICE_PG_PORT"], "-U", "postgres",
            "-d", os.environ["SLUICE_PG_DB"], "-f", ROOT / "sql/postgres/engagement.sql")
        self.receiver.start()
        run(BIN / "sluicectl", "bootstrap", PIPELINE)
        self.workers["enrich"].start()
        wait_for("the connector", PATIENCE, self.connector_runs)
        self.caught_up()
        self.audit = Audit(self)
        return self

    def stop(self):
        with postgres() as pg:
            Changes.drop(pg)
        return super().stop()

    def generate(self, count, seed, rate="1500/s", **more):
        """A writer; few contents, because each is looked for among all facts when it comes."""
        return Program("generate", [BIN / "sluice-generate", "--pipeline", PIPELINE, "--count", count, "--rate", rate,
                                    "--contents", more.get("contents", 20), "--update-share", "0.2",
                                    "--delete-share", "0.05", "--seed", seed], self.folder).start()

    # --- workers ---

    def slot(self, number, worker="enrich"):
        """One more worker of a group, started."""
        name = f"{worker}-{number}"
        if name not in self.workers:
            self.workers[name] = Program(
                name, [BIN / f"sluice-{worker}", "--pipeline", PIPELINE, "--slot", number], self.folder)
        return self.workers[name].start()

    def drop_slot(self, number, worker="enrich"):
        program = self.workers.pop(f"{worker}-{number}", None)
        return program.stop() if program else None

    def supervise(self):
        """What systemd does: exit 3 is started again; no other end is expected."""
        for name, program in self.workers.items():
            if program.process is None or program.alive():
                continue
            code = program.process.returncode
            assert code == EXIT_RESTART, f"{name} ended with {code}: {program.tail()}"
            self.restarts[name] += 1
            program.start()

    def mend(self, sinks=()):
        """Everything runs again: enrich and these sinks, servers, connector."""
        self.up(*(name for name in SERVERS if not server_runs(name)))
        for name in [n for n in self.workers if "-" in n]:
            program = self.workers.pop(name)
            if program.alive():
                program.process.send_signal(signal.SIGCONT)
                program.stop()
        self.sinks = tuple(sinks)
        for name in WORKERS:
            program = self.workers[name]
            if program.alive():
                program.process.send_signal(signal.SIGCONT)
                if name != "enrich" and name not in sinks:
                    program.stop()
                    program.process = None
            elif name == "enrich" or name in sinks:
                program.start()
        wait_for("the connector", PATIENCE, self.connector_runs)

    # --- servers ---

    def kill_server(self, name):
        os.kill(server_pid(name), signal.SIGKILL)
        wait_for(f"the death of {name}", 20, lambda: not server_runs(name) and subprocess.run(
            [STACK, "free", INSTANCE, name], capture_output=True).returncode == 0, every=0.05)

    def down(self, *names):
        run(STACK, "down", INSTANCE, *names)

    def up(self, *names):
        if names:
            run(STACK, "up", INSTANCE, *names)

    def connector_runs(self):
        """True, or its state; a failed task is restarted, as an operator would."""
        url = f"{os.environ['SLUICE_CONNECT']}/connectors/{CONNECTOR}"
        try:
            state = httpx.get(f"{url}/status", timeout=10).json()
            if any(t["state"] == "FAILED" for t in state["tasks"]):
                httpx.post(f"{url}/restart?includeTasks=true&onlyFailed=true", timeout=10)
            return (state["connector"]["state"], [t["state"] for t in state["tasks"]]) == ("RUNNING", ["RUNNING"]) or state
        except (httpx.HTTPError, KeyError, ValueError) as why:
            return repr(why)

    def restart_connector(self):
        """Its task would wait ten seconds by itself."""
        wait_for("the connector's restart", PATIENCE, lambda: httpx.post(
            f"{os.environ['SLUICE_CONNECT']}/connectors/{CONNECTOR}/restart?includeTasks=true", timeout=20).is_success)
        wait_for("the connector", PATIENCE, self.connector_runs)

    # --- how far it is ---

    def asked(self, question):
        """Of the broker, which may be coming back; a client that waits in vain is replaced."""
        for left in (2, 1, 0):
            try:
                return question()
            except (confluent_kafka.KafkaException, kafka.errors.KafkaError, concurrent.futures.TimeoutError, TimeoutError):
                if left == 0:
                    raise
                self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": os.environ["SLUICE_KAFKA"]})

    def ends(self, topic):
        return self.asked(lambda: Pipeline.ends(self, topic))

    def marks(self):
        """Enrich's replay marks by partition, from the metadata of its committed offsets."""
        at = self.asked(lambda: offsets.committed(os.environ["SLUICE_KAFKA"], "engagement.enrich", SOURCE))
        words = {p: (metadata or "").split() for p, (_, metadata) in at.items()}
        return {p: ((int(w[1]), int(w[2])), int(w[3])) for p, w in words.items() if w}

    def transaction_is_open(self):
        """Records of the enriched topic that are not decided: read committed ends before them."""
        committed = Pipeline.ends(self, ENRICHED)
        asked = {confluent_kafka.TopicPartition(ENRICHED, p): confluent_kafka.admin.OffsetSpec.latest() for p in committed}
        futures = self.admin.list_offsets(asked, isolation_level=confluent_kafka.IsolationLevel.READ_UNCOMMITTED)
        return any(f.result(10).offset > committed[tp.partition] for tp, f in futures.items())

    def behind(self, worker, topic, ends):
        self.supervise()
        try:
            return super().behind(worker, topic, ends)
        except (confluent_kafka.KafkaException, concurrent.futures.TimeoutError, TimeoutError) as why:
            self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": os.environ["SLUICE_KAFKA"]})
            return repr(why)

    def slot_confirms(self, lsn):
        self.supervise()
        with postgres() as pg:
            row = pg.execute("SELECT confirmed_flush_lsn >= %s::pg_lsn, confirmed_flush_lsn FROM pg_replication_slots"
                             " WHERE slot_name = 'sluice_engagement'", (lsn,)).fetchone()
        return bool(row and row[0]) or (row, self.connector_runs())

    def enrich_passes(self, ends, topic=SOURCE):
        wait_for("enrich", PATIENCE, lambda: self.behind("enrich", topic, ends), every=0.05)

    def caught_up(self, seconds=PATIENCE):
        """The barrier: Postgres' LSN through the slot, the source topics, enrich, each sink."""
        with postgres() as pg:
            # Something to confirm: a slot that has nothing new may belong to a connector that is away.
            pg.execute("UPDATE sluice_heartbeat SET at = now() WHERE id = 1")
            lsn = wal_now(pg)
        wait_for("the slot", seconds, lambda: self.slot_confirms(lsn), every=0.1)
        for topic in (CONTENT, SOURCE):
            self.enrich_passes(self.ends(topic), topic)
        enriched = self.ends(ENRICHED)
        for worker in self.sinks:
            wait_for(worker, seconds, lambda w=worker: self.behind(w, ENRICHED, enriched), every=0.1)

    # --- what must hold ---

    def check_receiver(self):
        got = set(httpx.get(f"http://{self.receiver_address}/ids", timeout=60).text.split())
        lost = self.audit.enriched.ids - got
        assert not lost, f"{len(lost)} of {len(self.audit.enriched.ids)} changes never arrived"
        assert httpx.get(f"http://{self.receiver_address}/stats", timeout=10).json()["order_violations"] == 0
        return len(got)

    def _equal(self):
        self.audit.look()
        return self.audit.differences()

    def check(self, generate=None, gap=()):
        """The barrier, then every invariant. gap: transactions that only a snapshot has seen."""
        if generate:
            try:
                code = generate.process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                generate.kill()
                raise AssertionError(f"sluice-generate hangs: {generate.tail()}") from None
            assert code == 0, generate.tail()
        self.caught_up()
        # Facts of changed contents come again by a snapshot that may still run: equality is waited for.
        wait_for("the query's answer in the enriched topic", PATIENCE, self._equal)
        self.audit.once()
        self.audit.newest()
        found = {"changes": self.audit.at_least_once(gap), "replayed": self.audit.source.replayed}
        if self.sinks:
            self.caught_up()
        if self.verify_due:
            run(BIN / "sluicectl", "verify", PIPELINE, "--timeout", f"{PATIENCE}s", "--settle", "30s",
                timeout=2 * PATIENCE + 60)
        for sink, look in (("clickhouse", self.check_clickhouse), ("leaderboard", self.check_board),
                           ("http", self.check_receiver)):
            if sink in self.sinks:
                found[sink] = look()
        print(found, dict(self.restarts))
        return found
