# SPDX-License-Identifier: Apache-2.0
"""sluice-enrich reaches its broker through a proxy that cuts, stalls, delays and forgets."""
import os
import random
import re
import time

import pytest

from harness import PATIENCE
from proxy import Proxy
from wait import wait_for

PROXY = os.environ["SLUICE_KAFKA_PROXY"]


def _port(name):
    return int(os.environ[name].rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def _proxy():
    proxy = Proxy(_port("SLUICE_KAFKA_PROXY"), _port("SLUICE_KAFKA_PROXIED")).start()
    yield proxy
    proxy.close()


@pytest.fixture
def proxied(stream, _proxy):
    """enrich behind the proxy, working."""
    enrich = stream.workers["enrich"]
    _proxy.calm()
    if enrich.env is None:
        enrich.stop()
        enrich.env = {"SLUICE_KAFKA": PROXY}
        enrich.start()
    wait_for("enrich at the proxy", PATIENCE, lambda: _proxy.counts["connections"] > 0, every=0.05)
    stream.caught_up()
    yield stream
    _proxy.calm()


@pytest.fixture(scope="module", autouse=True)
def _direct_again(_stream):
    yield
    enrich = _stream.workers["enrich"]
    if enrich.env is not None:
        enrich.stop()
        enrich.env = None
        enrich.start()


def test_proxy_cut(proxied, _proxy, seed):
    """Connections reset, refused and silent."""
    dice = random.Random(seed)
    generate = proxied.generate(1500, seed)
    for _ in range(5):
        time.sleep(dice.uniform(0.1, 0.6))
        dice.choice((_proxy.cut, _proxy.cut, lambda: _proxy.stall(dice.uniform(0.2, 2)),
                     lambda: _proxy.down(dice.uniform(0.2, 1.5))))()
    proxied.check(generate)


def _each_end(proxied, proxy, generate, act, name):
    """Does it again and again while transactions end, until the generator is done."""
    before = proxy.counts[name]
    log = proxied.workers["enrich"].log
    log_before = log.stat().st_size
    while generate.process.poll() is None:
        act()
        time.sleep(0.4)
    proxy.calm()
    proxied.check(generate)
    assert proxy.counts[name] > before, f"no EndTxn was {name}"
    # A producer whose EndTxn was sent twice is replaced, or one that was fenced meanwhile.
    said = log.read_bytes()[log_before:].decode(errors="replace")
    assert re.search("ROTATED|FENCED|INVALID_TXN_STATE|event=abort", said), said


def test_proxy_late_end(proxied, _proxy, seed):
    """EndTxn arrives after its client was cut and asked again (KAFKA-17754)."""
    dice = random.Random(seed)
    generate = proxied.generate(1200, seed, rate="500/s")
    _each_end(proxied, _proxy, generate, lambda: _proxy.hold_end(dice.choice((0.05, 0.15, 0.3, 0.6, 1.2))), "late")


def test_proxy_lost_reply(proxied, _proxy, seed):
    """EndTxn is done, and its reply is lost."""
    dice = random.Random(seed)
    generate = proxied.generate(1200, seed, rate="500/s")
    _each_end(proxied, _proxy, generate, lambda: _proxy.mute_end(dice.randint(1, 2)), "muted")
