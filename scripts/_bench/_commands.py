"""The time and memory of a command, measured from a small process.

Linux counts the memory of the process that starts a command to the command's own peak; this one has loaded torch.
"""

import json
import subprocess
import sys
from collections.abc import Sequence

LAUNCHER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps({"code": os.waitstatus_to_exitcode(status), "seconds": time.perf_counter() - began,
                  "cpu_seconds": usage.ru_utime + usage.ru_stime, "megabytes": round(usage.ru_maxrss / 1024, 1)}))
"""


def run(command: Sequence[str]) -> dict[str, float]:
    """Return a command's wall-clock and CPU seconds and its peak memory; raise RuntimeError if it fails."""
    launched = subprocess.run([sys.executable, "-S", "-c", LAUNCHER, *command], check=True, stdout=subprocess.PIPE,
                              text=True)
    found: dict[str, float] = json.loads(launched.stdout)
    code = found.pop("code")
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}")
    return found
