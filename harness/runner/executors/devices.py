"""Which GPUs and cores there are to share out among workers, found without importing torch."""

import os
import re
import subprocess
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")


def gpus() -> tuple[str, ...]:
    """Return names of the GPUs that this process may use, each fit to stand alone in CUDA_VISIBLE_DEVICES.

    That variable's own list where it is set; else what nvidia-smi tells, by UUID, since CUDA counts in another order.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = _present()
    if listed is None:
        return present
    names = [name.strip() for name in listed.split(",")]
    # CUDA reads the list up to the first name that is no device; without nvidia-smi the list is all there is to go by.
    numbers = re.compile(r"\d+|(GPU|MIG)-.+")
    valid = [bool(numbers.fullmatch(name)) and not (present and name.isdigit() and int(name) >= len(present))
             for name in names]
    return tuple(names[:valid.index(False)] if False in valid else names)


def cores() -> int:
    """Return how many cores this process may use: those it may run on, or its container's quota where that is less."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, min(usable, int(quota) // int(period)))
    except (OSError, ValueError):  # no control groups of version 2, or `max`: no quota
        return usable


def share(workers: int) -> int | None:
    """Return each worker's threads: an equal share of the cores, at least 1 and at most OMP_NUM_THREADS.

    None where there is one worker: PyTorch's own number is all the cores, without counting a core's second thread.
    """
    if workers == 1:
        return None
    limit = os.environ.get("OMP_NUM_THREADS", "")
    equal = max(1, cores() // workers)
    return min(equal, int(limit)) if limit.isdigit() and int(limit) else equal


def _present() -> tuple[str, ...]:
    """Return the UUIDs that nvidia-smi lists; a GPU that is cut into MIG instances stands for those."""
    try:
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    names: list[str] = []
    for name in re.findall(r"\(UUID: ((?:GPU|MIG)-[^)\s]+)\)", told.stdout if told.returncode == 0 else ""):
        if name.startswith("MIG-") and names and names[-1].startswith("GPU-"):
            names.pop()
        names.append(name)
    return tuple(names)
