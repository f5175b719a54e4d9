# SPDX-License-Identifier: Apache-2.0
"""Waiting for what comes in its own time. Seconds are generous: a machine may be busy."""
import time


def wait_until(what, true, seconds=60, every=0.05):
    """What `true` gives at last."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"{what}: not after {seconds} s"
        time.sleep(every)
    return found


def wait_for(what, seconds, ask, every=0.2):
    """Until ask() is True. Any other answer says what there is instead, and the last one stands in the failure."""
    end, answer = time.monotonic() + seconds, None
    while time.monotonic() < end:
        answer = ask()
        if answer is True:
            return
        time.sleep(every)
    raise AssertionError(f"{what}: not after {seconds} s: {answer}")
