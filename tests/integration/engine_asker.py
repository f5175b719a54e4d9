# SPDX-License-Identifier: Apache-2.0
"""An engine of a registry, asked through the router's driver (tests/golden/ask.c)."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
ASK = ROOT / os.environ.get("SLUICE_ASK", "build/gcc/tests/golden/ask")


class Asker:
    def __init__(self, registry, engine):
        self.process = subprocess.Popen([ASK, registry, engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, sql, params=(), **more):
        self.process.stdin.write(json.dumps({"sql": sql, "params": list(params), **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the driver has died: {self.process.wait(timeout=30)}: {sql}"
        return json.loads(line)

    def rows(self, sql, params=(), **more):
        answer = self.ask(sql, params, **more)
        assert answer["fate"] == "done", answer
        return answer["rows"]

    def peak_mb(self):
        """The most memory that it ever held."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0
        self.process.stdout.close()
