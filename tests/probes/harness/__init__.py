# SPDX-License-Identifier: Apache-2.0
"""What the probe tests share: cgroups, workloads, the sidecar under test, its accounting, a name server."""

import time


def until(condition, what, deadline=15.0, pause=0.02):
    """Waits until condition() is true and returns its value; fails when that does not happen in time."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {deadline:.0f} s still waiting for {what() if callable(what) else what}")
        time.sleep(pause)
