# SPDX-License-Identifier: Apache-2.0
"""A configuration that changes the body, and deliveries that a killed worker left open."""
import json
import subprocess

import pytest

from wait import wait_for
from webhooks import BIN, Opposite, Webhooks


@pytest.fixture
def silent(tmp_path):
    """(pipeline, server): the server reads everything and answers nothing until it is told to."""
    answers = [False]
    server = Opposite(lambda n, r: 200 if answers[0] else "none")
    server.speak = lambda: answers.__setitem__(0, True)
    pipeline = Webhooks(tmp_path, server.url, timeout="60s")
    yield pipeline, server
    pipeline.close()
    server.stop()


def refused(pipeline, *more):
    """(exit code, what it said) of a start that must not succeed."""
    pipeline.start(*more)
    return pipeline.process.wait(timeout=40), pipeline.tail()


def check(pipeline, *more):
    done = subprocess.run([BIN / "sluice-http", "--pipeline", pipeline.file, "--check", *more],
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def leave_open(pipeline, server, count=20):
    ids = [pipeline.change(k) for k in range(count)]
    pipeline.flush()
    pipeline.start()
    wait_for("a request", 30, lambda: len(server.ids()) > 0)
    pipeline.kill()
    return ids


def test_another_body_is_refused_while_deliveries_are_open(silent):
    """The one that was sent before the kill must not come again under its id with another body."""
    pipeline, server = silent
    ids = leave_open(pipeline, server)
    sent = server.requests[0]
    pipeline.configure(format="cloudevents")
    code, said = refused(pipeline)
    assert code == 2 and "are open as change-" in said and "would now be cloudevents-" in said and "--drain" in said
    assert len(server.requests) == 1 and pipeline.committed() == [0] * 4
    wait_for("the dead member's session to end", 30, lambda: check(pipeline)[0] == 2)
    assert "are open as change-" in check(pipeline)[1]
    pipeline.configure(lanes=3, timeout="30s")  # shapes no body
    assert check(pipeline) == (0, "")
    server.speak()
    pipeline.start()
    pipeline.caught_up()
    assert {r["body"] for r in server.requests if r["id"] == sent["id"]} == {sent["body"]}
    assert set(server.ids()) == set(ids)
    assert pipeline.stop() == 0  # which leaves nothing open: what comes now was never sent
    more = [pipeline.change(k) for k in range(8)]
    pipeline.configure(format="cloudevents")
    pipeline.start()
    pipeline.caught_up()
    assert {r["id"] for r in server.requests if b"specversion" in r["body"]} == set(more)
    assert pipeline.stop() == 0


def test_drain_sends_open_deliveries_in_the_new_form(silent):
    pipeline, server = silent
    ids = leave_open(pipeline, server)
    pipeline.configure(batch_rows_max=10)
    assert refused(pipeline)[0] == 2
    server.speak()
    wait_for("--check --drain", 30, lambda: check(pipeline, "--drain")[0] == 0)
    pipeline.start("--drain")
    pipeline.caught_up()
    assert pipeline.stop() == 0
    items = [item["id"] for r in server.requests[1:] for item in json.loads(r["body"])]
    assert sorted(items) == sorted(ids)
    pipeline.start()  # nothing of the old form is open any more
    last = pipeline.change(1)
    pipeline.caught_up()
    assert json.loads(server.requests[-1]["body"])[0]["id"] == last
    assert pipeline.stop() == 0


def test_a_worker_killed_while_idle_left_nothing_open(silent):
    pipeline, server = silent
    server.speak()
    pipeline.start()
    for k in range(30):
        pipeline.change(k)
    wait_for("something open", 30, lambda: pipeline.metric("sluice_http_open") == 1, every=0.02)
    pipeline.caught_up()
    wait_for("nothing open", 30, lambda: pipeline.metric("sluice_http_open") == 0)
    pipeline.kill()
    more = [pipeline.change(k) for k in range(8)]
    pipeline.configure(format="row")
    pipeline.start()
    pipeline.caught_up()
    assert server.ids()[-8:] and set(server.ids()[-8:]) == set(more)
    assert pipeline.stop() == 0
