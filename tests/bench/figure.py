# SPDX-License-Identifier: Apache-2.0
"""What the benches share. A figure is a line NAME VALUE UNIT BOUND ok|MISS; without a bound both last
words are -."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
STACK, INSTANCE = ROOT / "tests/stack/stack", os.environ.get("SLUICE_TEST_INSTANCE", "bench")
missed = []


def figure(name, value, unit, bound="-", digits=2):
    """bound: ">=27", "<=30" or "-"."""
    good = bound == "-" or (value >= float(bound[2:]) if bound[0] == ">" else value <= float(bound[2:]))
    missed.extend([] if good else [name])
    print(f"{name} {value:.{digits}f} {unit} {bound} {'-' if bound == '-' else 'ok' if good else 'MISS'}", flush=True)


def told(command):
    """The figures that a program prints by the same rule; it ends with 1 when it has missed one."""
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, timeout=600)
    print(done.stdout, end="", flush=True)
    misses = [line.split()[0] for line in done.stdout.splitlines() if line.endswith(" MISS")]
    assert done.returncode == bool(misses), f"{command[0]}: exit {done.returncode}"
    missed.extend(misses)


def use_instance():
    """Its addresses, into the environment."""
    for line in subprocess.run([STACK, "env", INSTANCE], check=True, capture_output=True, text=True).stdout.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        os.environ[name] = value.strip("'")


def cpu(pid):
    """Seconds of user and system time."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid):
    """The most memory that it ever held."""
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def stop(process):
    """The CPU seconds of a child that ends when asked to."""
    process.terminate()
    _, status, use = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"exit {process.returncode}"
    return use.ru_utime + use.ru_stime
