# SPDX-License-Identifier: Apache-2.0
"""One pipeline for all faults, one line a run: what was done to it, with which seed, how it ended."""
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from engagement import ROOT  # noqa: E402
from harness import Stream  # noqa: E402

RUNS = int(os.environ.get("SLUICE_FAULT_N") or 0)  # 0: 3, or 1 of what is marked slow
SEED = int(os.environ.get("SLUICE_FAULT_SEED") or random.SystemRandom().randrange(1 << 30))
LOG = os.environ.get("SLUICE_FAULT_LOG")
_runs = []


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: a run waits for a session's end or a JVM's start; one is enough in make test")


def _seeds(node):
    return [SEED + run for run in range(RUNS or (1 if node.get_closest_marker("slow") else 3))]


@pytest.fixture(scope="session", autouse=True)
def _servers(stack):
    """Every test of this folder may use the test instance by its SLUICE_* variables."""


@pytest.fixture(scope="session")
def _stream(stack, tmp_path_factory):
    stream = Stream(tmp_path_factory.mktemp("faults"))
    try:
        stream.start()
        yield stream
        stream.verify_due = True
        stream.check()
    finally:
        codes = stream.stop()
    assert all(code == 0 for code in codes.values()), f"exit codes {codes}: logs in {stream.folder}"


@pytest.fixture
def stream(_stream, request):
    """The pipeline with everything running, whatever the run before did to it."""
    sinks = getattr(request.module, "SINKS", ())
    _stream.mend(sinks)
    _stream.verify_due = request.node.callspec.params.get("seed") == _seeds(request.node)[-1]
    yield _stream
    _stream.mend(sinks)


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", _seeds(metafunc.definition))


def _commit():
    """What ran; the log of runs, which grows meanwhile, makes no difference."""
    def git(*command):
        return subprocess.run(["git", "-C", ROOT, *command], capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!tests/fault/runs.ndjson")
    return git("rev-parse", "--short=12", "HEAD") + ("-dirty" if changed else "")


def pytest_runtest_logreport(report):
    name, _, ids = report.nodeid.rpartition("::")[2].removeprefix("test_").rstrip("]").partition("[")
    seed = next((word for word in ids.split("-") if word.isdigit()), None)
    if "tests/fault/" not in report.nodeid or not seed or report.skipped:
        return
    name = "_".join([name, *(word for word in ids.split("-") if word != seed)])
    if report.when != "call" and report.passed:
        return
    _runs.append({"commit": _commit(), "fault": name, "seed": int(seed), "seconds": round(report.duration, 1),
                  "result": report.outcome if report.when == "call" else f"failed in {report.when}", "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    if LOG:
        with open(LOG, "a", encoding="utf-8") as log:
            log.write(json.dumps(_runs[-1]) + "\n")


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("faults")
    for run in _runs:
        terminalreporter.write_line(
            f"{run['seconds']:7.1f} s  {run['fault']:<24} seed {run['seed']:<11} {run['result']}")
