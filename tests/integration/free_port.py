# SPDX-License-Identifier: Apache-2.0
"""A port for a server of a test's own."""
import os
import pathlib
import random
import socket

STACK = pathlib.Path(__file__).resolve().parents[1] / "stack"
FIRST, END = 10_000, 32_768  # below the ports that the kernel gives to those who connect
WORKERS = 10  # ports behind the table's `listen`

_held = []


def _of_the_stack():
    """Every port of every instance, whether it is up or not."""
    ports = set()
    for table in {str(STACK / "ports"), os.environ.get("STACK_PORTS", str(STACK / "ports"))}:
        for line in pathlib.Path(table).read_text().splitlines():
            name, *columns = line.split() or ["#"]
            for port in map(int, filter(str.isdigit, columns if name[0] != "#" else [])):
                ports |= set(range(port, port + (WORKERS if name == "listen" else 1)))
    return ports


def free_port():
    """A port that nobody listens on, not given before and not given by another run: a name in the
    kernel's own space of names says whose it is, for as long as this process lives."""
    taken, candidates = _of_the_stack(), random.SystemRandom()
    for _ in range(1000):
        port = candidates.randrange(FIRST + 1, END)
        if port in taken:
            continue
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0sluice-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _held.append(claim)
        return port
    raise AssertionError("no port is free")
