# SPDX-License-Identifier: Apache-2.0
"""What sluice-http keeps to itself and keeps out: secrets, private addresses, long answers."""
import base64
import signal
import subprocess

import httpx
import pytest
import standardwebhooks

from wait import wait_for
from webhooks import BIN, SECRET, hooks  # noqa: F401

HIDDEN = {"secret": SECRET, "token": "t0ken-s3cret", "header": "h3ader-s3cret"}


def everything_said(pipeline):
    printed = subprocess.run([BIN / "sluice-http", "--pipeline", pipeline.file, "--print-config"], capture_output=True, text=True)
    assert printed.returncode == 0
    return printed.stdout + pipeline.log.read_text() + httpx.get(f"http://127.0.0.1:{pipeline.port}/metrics").text


def test_secrets_come_from_files_and_go_to_the_destination_only(hooks, tmp_path):
    """Through refusals, at the chattiest level, and with an answer that repeats what it was sent."""
    for name, text in HIDDEN.items():
        (tmp_path / name).write_text(f"{text}\n")
    pipeline, server = hooks(
        lambda n, r: 500 if n < 3 else (422, {}, f"not for {r['headers']['authorization']}".encode()) if n == 3 else 200,
        secret_file=tmp_path / "secret", token_file=tmp_path / "token", lanes=1, pause_max="1s",
        headers=f"{{X-Tenant: acme, X-Key_file: {tmp_path}/header}}")
    for k in range(4):
        pipeline.change(k)
    pipeline.start("--log-level", "debug")
    pipeline.caught_up()
    for request in server.requests:
        assert request["headers"]["authorization"] == "Bearer t0ken-s3cret"
        assert (request["headers"]["x-tenant"], request["headers"]["x-key"]) == ("acme", "h3ader-s3cret")
        standardwebhooks.Webhook(SECRET).verify(request["body"].decode(), request["headers"])
    [(_, reason)] = pipeline.dead_letters()
    assert reason == "HTTP status 422: (an answer that repeats a secret)"
    text = everything_said(pipeline) + reason
    assert not [name for name, hidden in HIDDEN.items() if hidden in text], text


def test_a_login_in_the_url_is_masked(hooks):
    pipeline, server = hooks(lambda n, r: 500 if n < 2 else 200, pause_max="1s")
    pipeline.url = server.url.replace("http://", "http://who:p4ss-w0rd@")
    pipeline.configure(allow_private="true")
    pipeline.change(1)
    pipeline.start("--log-level", "debug")
    pipeline.caught_up()
    assert server.requests[-1]["headers"]["authorization"] == "Basic " + base64.b64encode(b"who:p4ss-w0rd").decode()
    assert "p4ss-w0rd" not in everything_said(pipeline)


@pytest.mark.parametrize("nets, taken", [("[10.0.0.0/8, 127.0.0.0/8]", True), ("[10.0.0.0/8, '::1']", False), ("false", False)])
def test_private_addresses_need_leave(hooks, nets, taken):
    pipeline, server = hooks(lambda n, r: 200, allow_private=nets)
    pipeline.change(1)
    pipeline.flush()
    pipeline.start()
    if taken:
        pipeline.caught_up()
        return
    assert pipeline.process.wait(timeout=30) in (2, 4)
    assert "private" in pipeline.log.read_text() and server.requests == []


def test_a_long_answer_is_not_read_to_its_end(hooks):
    """Its status counts; what it says is cut, and nobody fills the worker's memory."""
    long = b"x" * (16 << 20)
    pipeline, server = hooks(lambda n, r: (422 if b'"id":7' in r["body"].replace(b" ", b"") else 200, {}, long))
    for k in range(64):
        pipeline.change(k, row={"id": k})
    pipeline.start()
    pipeline.caught_up()
    with open(f"/proc/{pipeline.process.pid}/status", encoding="utf-8") as status:
        peak_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak_kb < 64 << 10
    [(key, reason)] = pipeline.dead_letters()
    assert key == 7 and reason.startswith("HTTP status 422: xxx") and len(reason) < 200
    assert len(server.ids()) == len(set(server.ids())) == 64


def test_a_row_may_be_given_up_and_a_status_may_be_good(hooks):
    """retry_for ends a row, done_statuses makes one of the refusals a success."""
    pipeline, server = hooks(lambda n, r: {b"1": 409, b"2": 503}.get(r["body"][-2:-1], 200), done_statuses="[409]",
                             retry_for="1s", pause_max="1s")
    ids = [pipeline.change(k, version=k) for k in (1, 3)]
    pipeline.start()
    pipeline.caught_up()
    assert set(server.ids()) == set(ids) and len(server.ids()) == 2
    pipeline.change(2, version=2)
    pipeline.caught_up()
    assert server.ids().count(pipeline.sent[-1]) > 1
    [(key, reason)] = pipeline.dead_letters()
    assert key == 2 and "gave up after" in reason and "HTTP status 503" in reason


def test_new_secrets_do_not_wait_for_a_silent_destination(hooks, tmp_path):
    """SIGHUP with a request in flight that nobody answers, and while a pause lasts: the next goes out at once."""
    token = tmp_path / "token"
    token.write_text("one")

    def answer(n, request):
        return {"Bearer one": "none", "Bearer two": (429, {"retry-after": "300"}, b"")}.get(request["headers"]["authorization"], 200)

    pipeline, server = hooks(answer, token_file=token, timeout="120s", lanes=1)
    first = pipeline.change(1)
    pipeline.start()
    for count, text in ((1, "two"), (2, "three")):
        wait_for("a request", 30, lambda: len(server.ids()) >= count)
        token.write_text(text)
        pipeline.process.send_signal(signal.SIGHUP)
    pipeline.caught_up(30)
    assert server.ids() == [first] * 3 and len({r["body"] for r in server.requests}) == 1
