# SPDX-License-Identifier: Apache-2.0
"""What every test of the real servers shares: the stack's test instance and file times."""
import collections
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
STACK = ROOT / "tests/stack/stack"
INSTANCE = os.environ.get("SLUICE_TEST_INSTANCE", "test")

_file_seconds = collections.Counter()


def stack_environment(instance):
    """The export lines of `stack env` as a dict."""
    lines = subprocess.run([STACK, "env", instance], check=True, capture_output=True, text=True,
                           timeout=30).stdout.splitlines()
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    return {name: value.strip("'\"") for name, value in pairs}


# Before collection, so that modules may read them at import.
for _name, _value in stack_environment(INSTANCE).items():
    os.environ.setdefault(_name, _value)


@pytest.fixture(scope="session")
def stack():
    """The test instance, up; stopped at the end unless SLUICE_TEST_KEEP is set."""
    some = os.environ.get("SLUICE_TEST_SERVICES", "").split()  # fewer for who needs fewer
    subprocess.run([STACK, "up", INSTANCE, *some], check=True, timeout=300)
    yield stack_environment(INSTANCE)
    if not os.environ.get("SLUICE_TEST_KEEP"):
        subprocess.run([STACK, "wipe", INSTANCE], check=True, timeout=120)


def pytest_runtest_logreport(report):
    _file_seconds[report.nodeid.split("::")[0]] += report.duration


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("seconds a file")
    for name, seconds in _file_seconds.most_common():
        terminalreporter.write_line(f"{seconds:7.1f}  {name}")
