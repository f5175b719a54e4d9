# SPDX-License-Identifier: Apache-2.0
"""sluice-http on a real Kafka: faults 31 and 32, order a key.
Kills and a receiver that is away: tests/fault."""
import collections
import datetime
import email.utils
import json
import os
import subprocess
import time

import cloudevents.v1.http as cloudevents
import pytest
import standardwebhooks

from free_port import free_port
from wait import wait_for
from webhooks import BIN, ROOT, SECRET, Http2Server, hooks, receiver, self_signed  # noqa: F401

BREAKER = "sluice_http_breaker_open"


def test_body_headers_and_signature(hooks):
    """What arrives is what stands in the record, signed so that others' code verifies it."""
    pipeline, server = hooks(lambda n, r: 204, secret=SECRET)
    first = pipeline.change(7, row={"id": 7, "n": 12.50, "title": "“Über” \"q\""})
    moved = pipeline.change(7, op="u", row={"id": 7}, before={"id": 7, "event_ts": "2026-11-21T10:00:00Z"})
    gone = pipeline.change(7, op="d", before={"id": 7})
    pipeline.start()
    pipeline.caught_up()
    assert server.ids() == [first, moved, gone]
    bodies = [json.loads(r["body"]) for r in server.requests]
    assert list(bodies[0]) == ["id", "op", "table", "key", "row", "before", "ts_ms", "version"]
    assert bodies[0] == {"id": first, "op": "c", "table": "public.engagement_events", "key": {"id": 7},
                         "row": {"id": 7, "n": 12.5, "title": "“Über” \"q\""}, "before": None,
                         "ts_ms": 1795000000123, "version": 1}
    assert bodies[1]["before"]["event_ts"] == "2026-11-21T10:00:00Z"
    assert bodies[2]["op"] == "d" and bodies[2]["row"] is None
    for request in server.requests:
        assert request["headers"]["idempotency-key"] == request["id"]
        assert request["headers"]["content-type"] == "application/json"
        standardwebhooks.Webhook(SECRET).verify(request["body"].decode(), request["headers"])
    with pytest.raises(standardwebhooks.webhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify("{}", server.requests[0]["headers"])
    assert pipeline.stop() == 0
    assert SECRET not in pipeline.log.read_text()


def test_two_secrets_while_rotating(hooks):
    other = "whsec_" + "QUJD" * 8
    pipeline, server = hooks(lambda n, r: 200, secret=f'"{SECRET} {other}"')
    pipeline.change(1)
    pipeline.start()
    pipeline.caught_up()
    for secret in (SECRET, other):
        standardwebhooks.Webhook(secret).verify(server.requests[0]["body"].decode(), server.requests[0]["headers"])


@pytest.mark.parametrize("batch", [None, 50])
def test_cloudevents(hooks, batch):
    """The package reads them: one a request, or a batch."""
    pipeline, server = hooks(lambda n, r: 200, format="cloudevents", batch_rows_max=batch, token="t0ken")
    ids = [pipeline.change(7, row={"id": 7, "title": "“Über”"}), pipeline.change(7, op="d", before={"id": 7})]
    pipeline.start()
    pipeline.caught_up()
    events = []
    for request in server.requests:
        assert request["headers"]["authorization"] == "Bearer t0ken"
        if batch:
            assert request["headers"]["content-type"] == "application/cloudevents-batch+json"
            events += [cloudevents.from_dict(item) for item in json.loads(request["body"])]
        else:
            events.append(cloudevents.from_http(request["headers"], request["body"]))
    assert [e["id"] for e in events] == ids and {e["specversion"] for e in events} == {"1.0"}
    assert [e["type"] for e in events] == ["sluice.row.created", "sluice.row.deleted"]
    assert {e["source"] for e in events} == {f"/{pipeline.name}/public.engagement_events"}
    assert events[0].data["row"]["title"] == "“Über”" and events[1].data["row"] is None
    assert datetime.datetime.fromisoformat(events[0]["time"]).timestamp() == 1795000000.123
    assert pipeline.stop() == 0
    assert "t0ken" not in pipeline.log.read_text()


@pytest.mark.parametrize("options", [{"batch_rows_max": 20}, {"format": "cloudevents"}, {"format": "cloudevents", "batch_rows_max": 20}])
def test_the_receiver_reads_every_form(hooks, receiver, options):
    """sluice-receiver counts each change of an array and of an event, and sees its key's order."""
    pipeline = hooks(receiver.url, lanes=4, **options)
    ids = [pipeline.change(k % 30, op="u") for k in range(300)]
    pipeline.start()
    pipeline.caught_up()
    stats = receiver.stats()
    assert set(receiver.ids()) == set(ids) and stats["distinct"] == stats["events"] == 300
    assert stats["order_violations"] == 0 and (stats["requests"] < 300) == ("batch_rows_max" in options)
    pipeline.change(7, op="u", version=1, **{"sluice.replay": "1"})  # an old one, replayed
    pipeline.caught_up()
    assert receiver.stats()["order_violations"] == 1


def test_batches_halve_what_is_refused(hooks):
    """Arrays in order a key; a poison row alone is a dead letter, each item has its own id."""
    pipeline, server = hooks(lambda n, r: 422 if b'"poison"' in r["body"] else 200, batch_rows_max=20, lanes=2)
    ids = [pipeline.change(k % 40, row={"id": k % 40, "t": "poison" if k == 123 else ""}) for k in range(400)]
    pipeline.start()
    pipeline.caught_up()
    taken = [item for r in server.requests if b'"poison"' not in r["body"] for item in json.loads(r["body"])]
    assert sorted(i["id"] for i in taken) == sorted(ids[:123] + ids[124:])
    last = {}
    for item in taken:
        assert item["version"] > last.get(item["key"]["id"], 0)
        last[item["key"]["id"]] = item["version"]
    assert max(len(json.loads(r["body"])) for r in server.requests) > 1
    assert [key for key, _ in pipeline.dead_letters()] == [123 % 40]


def test_a_select_list_makes_the_body(hooks):
    """Typed by what Postgres says of the enrichment; what it refuses is a dead letter, a wrong list exit code 2."""
    subprocess.run(["psql", "-q", "-h", os.environ["SLUICE_PG_HOST"], "-p", os.environ["SLUICE_PG_PORT"], "-U", "postgres",
                    "-d", os.environ["SLUICE_PG_DB"], "-f", ROOT / "sql/postgres/engagement.sql"], check=True, capture_output=True)
    pipeline, server = hooks(lambda n, r: 200, body='"id, duration_ms / (id - 2) AS per, sluice_op AS op, event_ts"')
    row = {"event_ts": "2026-11-21T10:00:00.000000Z", "duration_ms": 100}
    ids = [pipeline.change(1, row={"id": 1, **row}), pipeline.change(2, row={"id": 2, **row}), pipeline.change(3, op="d")]
    pipeline.start()
    pipeline.caught_up()
    assert {r["id"]: json.loads(r["body"]) for r in server.requests} == {
        ids[0]: {"id": 1, "per": -100, "op": "c", "event_ts": "2026-11-21T10:00:00.000000Z"},
        ids[2]: {"id": 3, "per": None, "op": "d", "event_ts": None}}
    [(key, reason)] = pipeline.dead_letters()
    assert key == 2 and "division by zero" in reason
    assert pipeline.stop() == 0
    pipeline.file.write_text(pipeline.file.read_text().replace("sluice_op AS op", "nothing AS op"))
    pipeline.start()
    assert pipeline.process.wait(timeout=30) == 2 and "nothing" in pipeline.tail()


def test_several_destinations_are_alone(hooks, receiver, tmp_path):
    """One is dead: the other goes on. Each has its group; which one is --destination."""
    dead = f"http://127.0.0.1:{free_port()}/events"
    pipeline = hooks(dead, group=".live")
    text = pipeline.file.read_text()
    at = text.index("http:\n")
    pipeline.file.write_text(text[:at] + f"""http:
  - {{name: dead, url: '{dead}', listen: '127.0.0.1:0', allow_private: true}}
  - {{name: live, url: '{receiver.url}', listen: '127.0.0.1:0', allow_private: true, headers: {{X-Key: s3cret}}}}
""")
    ids = [pipeline.change(k) for k in range(200)]
    pipeline.flush()
    for more, why in (([], "--destination NAME is missing"), (["--destination", "x"], "no destination x, but dead, live")):
        refused = subprocess.run([BIN / "sluice-http", "--pipeline", pipeline.file, *more], capture_output=True, text=True)
        assert refused.returncode == 2 and why in refused.stderr
    printed = subprocess.run([BIN / "sluice-http", "--pipeline", pipeline.file, "--print-config"], capture_output=True, text=True)
    assert "s3cret" not in printed.stdout and "X-Key: '***'" in printed.stdout
    pipeline.start_group(f"{pipeline.name}.http.dead")
    with open(tmp_path / "dead.log", "w") as log:
        other = subprocess.Popen([BIN / "sluice-http", "--pipeline", pipeline.file, "--destination", "dead"], stderr=log)
    try:
        pipeline.start("--destination", "live")
        pipeline.caught_up()
        assert set(receiver.ids()) == set(ids)
        wait_for("the dead one", 20, lambda: "waiting for http" in (tmp_path / "dead.log").read_text())
        assert pipeline.committed(f"{pipeline.name}.http.dead") == [0] * 4
        assert pipeline.stop() == 0
    finally:
        other.terminate()
        assert other.wait(timeout=40) == 0


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_client_certificate_and_http_version(hooks, tmp_path, version):
    """mTLS from files; HTTP/2 puts its streams on one connection."""
    self_signed(tmp_path, "server")
    self_signed(tmp_path, "client", cn="sluice")
    server = Http2Server(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "client.pem")
    pipeline = hooks(server.url, ca=tmp_path / "server.pem", cert=tmp_path / "client.pem", key=tmp_path / "client.key",
                     http2="true" if version == "2" else "false")
    ids = [pipeline.change(k) for k in range(300)]
    pipeline.start()
    pipeline.caught_up()
    assert pipeline.stop() == 0
    asked = server.stop()
    assert {r["id"] for r in asked} == set(ids)
    assert {(r["version"].removesuffix(".0"), r["client"]) for r in asked} == {(version, "sluice")}
    if version == "2":
        assert asked[-1]["sessions"] <= 2


def test_snapshot_rows_are_skipped_unless_wanted(hooks):
    for options, wanted in (({}, 1), ({"snapshot": "deliver"}, 2)):
        pipeline, server = hooks(lambda n, r: 200, **options)
        pipeline.change(1, op="r")
        pipeline.change(1, op="u")
        pipeline.start()
        pipeline.caught_up()
        assert len(server.requests) == wanted
        assert pipeline.stop() == 0


# Fault 31: what every kind of answer does to a row. None: it must be asked again and again.
@pytest.mark.parametrize("answer", [500, 503, 429, 408, 425, "close", "none", "slow"])
def test_busy_answers_are_asked_again(hooks, answer):
    """The row comes again with the same id and body until it is taken; others of its key wait."""
    pipeline, server = hooks(lambda n, r: answer if n < 2 else 204, timeout="1s")
    ids = [pipeline.change(5), pipeline.change(5, op="u")]
    pipeline.start()
    pipeline.caught_up()
    assert server.ids() == [ids[0]] * 3 + [ids[1]]
    assert len({r["body"] for r in server.requests[:3]}) == 1
    gaps = [b["at"] - a["at"] for a, b in zip(server.requests[:3], server.requests[1:3])]
    assert min(gaps) >= 0.19, "no pause between attempts"
    assert pipeline.dead_letters() == []


@pytest.mark.parametrize("status", [400, 413, 422, 405, 418])
def test_refused_rows_are_dead_letters(hooks, status):
    """Only the refused row; the next of the same key goes on."""
    pipeline, server = hooks(lambda n, r: (status, {}, b"no\r\nthanks") if b'"n": 2' in r["body"] else 200)
    ids = [pipeline.change(5) for _ in range(3)]
    pipeline.start()
    pipeline.caught_up()
    assert server.ids() == ids
    [(key, reason)] = pipeline.dead_letters()
    assert key == 5 and f"HTTP status {status}: no  thanks" in reason


@pytest.mark.parametrize("status", [301, 302, 401, 403, 404, 410])
def test_doubtful_answers_after_good_ones_cost_the_row(hooks, status):
    """Others are taken, so it is the row's fault; a redirect is never followed."""
    pipeline, server = hooks(
        lambda n, r: (status, {"location": "/elsewhere"}, b"") if b'"n": 2' in r["body"] else 200)
    ids = [pipeline.change(5) for _ in range(3)]
    pipeline.start()
    pipeline.caught_up()
    assert server.ids() == ids
    [(key, reason)] = pipeline.dead_letters()
    assert key == 5 and f"HTTP status {status}" in reason


@pytest.mark.parametrize("status", [301, 404, 401])
def test_a_wrong_url_does_not_drain_the_topic(hooks, status):
    """Nothing was ever taken: pause and probe with one row at a time; mended, all arrive."""
    wrong = [True]
    pipeline, server = hooks(lambda n, r: status if wrong[0] else 200, pause_max="2s")
    ids = [pipeline.change(k) for k in range(300)]
    pipeline.flush()
    pipeline.start()
    wait_for("probes", 20, lambda: len(server.requests) >= 4)
    assert len(set(server.ids())) > 1, "always the same row"
    assert max(b["at"] - a["at"] for a, b in zip(server.requests, server.requests[1:])) >= 0.19
    assert len(server.requests) < 12, "a wrong url is hammered"
    assert f"HTTP status {status}" in pipeline.log.read_text()
    assert pipeline.committed() == [0] * 4
    wrong[0] = False
    pipeline.caught_up()
    assert set(server.ids()) == set(ids)
    assert pipeline.dead_letters() == []


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_a_lower_bound(hooks, form):
    """429 with Retry-After: nobody is asked before, whatever the lane."""
    def answer(n, r):
        if n:
            return 200
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)
        return 429, {"retry-after": "3" if form == "seconds" else email.utils.format_datetime(at, usegmt=True)}, b""
    pipeline, server = hooks(answer, lanes=1)
    ids = [pipeline.change(k) for k in range(20)]
    pipeline.start()
    pipeline.caught_up()
    assert collections.Counter(server.ids()) == collections.Counter(ids + ids[:0] + [server.ids()[0]])
    assert server.requests[1]["at"] - server.requests[0]["at"] >= 2.9
    assert pipeline.dead_letters() == []


def test_the_breaker_opens_and_closes(hooks):
    """Five failures in a row open it: one probe at a time, at pauses; the first good answer closes it."""
    bad, now, most = [False], [], [0]

    def answer(n, r):
        now.append(n)
        most[0] = max(most[0], len(now))
        time.sleep(0.02)
        now.remove(n)
        return 500 if bad[0] else 200

    pipeline, server = hooks(answer, pause_max="1s")
    ids = [pipeline.change(k) for k in range(300)]
    pipeline.start()
    pipeline.caught_up()
    assert pipeline.metric(BREAKER) == 0 and most[0] > 8
    bad[0] = True
    ids += [pipeline.change(k) for k in range(300)]
    pipeline.flush()
    wait_for("the breaker opens", 30, lambda: pipeline.metric(BREAKER) == 1)
    wait_for("what was in flight", 10, lambda: not now)
    first, most[0] = len(server.requests), 0
    wait_for("probes", 30, lambda: len(server.requests) >= first + 4)
    probes = server.requests[first:]
    assert most[0] == 1 and pipeline.metric(BREAKER) == 1
    assert min(b["at"] - a["at"] for a, b in zip(probes, probes[1:])) >= 0.19
    pipeline.waits("HTTP status 500")
    bad[0] = False
    pipeline.caught_up()
    assert pipeline.metric(BREAKER) == 0 and most[0] > 1
    assert set(server.ids()) == set(ids) and pipeline.dead_letters() == []


def test_a_poison_row_does_not_hold_up_other_keys(hooks):
    """One row is answered 500 for a while: its key waits, all others go on."""
    until = time.monotonic() + 5
    pipeline, server = hooks(lambda n, r: 500 if b'"n": 1,' in r["body"].replace(b"}", b",") and
                             time.monotonic() < until else 200, pause_max="1s")
    ids = [pipeline.change(k % 50) for k in range(500)]
    pipeline.start()
    other = {i for k, i in enumerate(ids) if k % 50}
    wait_for("the others", 4, lambda: other <= set(server.ids()))
    assert time.monotonic() < until
    pipeline.caught_up()
    assert set(server.ids()) == set(ids)
    assert pipeline.dead_letters() == []


def test_unverified_certificates_are_waited_for(hooks, tmp_path):
    context, _ = self_signed(tmp_path)
    pipeline, server = hooks(lambda n, r: 200, tls=context)
    pipeline.change(1)
    pipeline.flush()
    pipeline.start()
    pipeline.waits("certificate")
    assert server.requests == []
    assert pipeline.process.poll() is None, pipeline.tail()
    assert pipeline.committed() == [0] * 4
    assert pipeline.stop() == 0


def test_a_name_that_does_not_resolve_is_waited_for(hooks):
    pipeline = hooks("http://no-such-host.invalid/events")
    pipeline.change(1)
    pipeline.flush()
    pipeline.start()
    pipeline.waits("resolve")
    assert pipeline.process.poll() is None, pipeline.tail()
    assert pipeline.stop() == 0
    assert pipeline.committed() == [0] * 4


def test_records_that_make_no_body_are_dead_letters(hooks):
    pipeline, server = hooks(lambda n, r: 200)
    pipeline.change(1, **{"sluice.id": "a\r\nx: y"})
    pipeline.change(2, **{"sluice.version": None})
    pipeline.change(3, row=[1])
    good = pipeline.change(4)
    pipeline.start()
    pipeline.caught_up()
    assert server.ids() == [good]
    assert sorted(k for k, _ in pipeline.dead_letters()) == [1, 2, 3]


# Fault 32
def test_a_lost_reply_has_one_effect(hooks, receiver):
    """Read, counted, closed without an answer: the same id comes again and is a duplicate."""
    pipeline = hooks(receiver.url, pause_max="2s")
    receiver.script([{"times": 20}, {"close": True, "times": 3}] * 10)
    ids = [pipeline.change(k % 40, op="u") for k in range(400)]
    pipeline.start()
    pipeline.caught_up()
    stats = receiver.stats()
    assert set(receiver.ids()) == set(ids) and stats["distinct"] == 400
    assert stats["duplicates"] == 30
    assert stats["order_violations"] == 0
