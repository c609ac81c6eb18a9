"""The GPUs and cores to distribute among workers, found without importing torch."""

import os
import re
import subprocess
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
LIMIT, USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
MEMORY = Path("/proc/meminfo")


def gpus() -> tuple[str, ...]:
    """Return names of the GPUs that this process may use, each a valid value of CUDA_VISIBLE_DEVICES.

    They are that variable's list if it is set, else nvidia-smi's UUIDs, since CUDA may number GPUs in another order.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = _list_uuids()
    if listed is None:
        return present
    names = [name.strip() for name in listed.split(",")]
    # CUDA reads the list up to the first name that is no device; without nvidia-smi numbers cannot be checked.
    numbers = re.compile(r"\d+|(GPU|MIG)-.+")
    valid = [bool(numbers.fullmatch(name)) and not (present and name.isdigit() and int(name) >= len(present))
             for name in names]
    return tuple(names[:valid.index(False)] if False in valid else names)


def cores() -> int:
    """Return the number of cores that this process may use: its CPU affinity or its container's quota, the smaller."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, min(usable, int(quota) // int(period)))
    except (OSError, ValueError):  # no control groups of version 2, or the quota is `max`
        return usable


def free_gb() -> float:
    """Return the memory that new processes may take, in GB: the machine's, or what is left of its container's limit."""
    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    try:
        text = next(line for line in MEMORY.read_text().splitlines() if line.startswith("MemAvailable:"))
        pages = int(text.split()[1]) * 1024 / 1e9
    except (OSError, StopIteration, ValueError):  # not Linux
        pass
    try:
        return min(pages, (int(LIMIT.read_text()) - int(USED.read_text())) / 1e9)
    except (OSError, ValueError):  # no control groups of version 2, or the limit is `max`
        return pages


def threads_per_worker(workers: int) -> int | None:
    """Return each worker's threads: an equal share of the cores, at least 1 and at most OMP_NUM_THREADS.

    Returns None for one worker: PyTorch's default is all physical cores, without a core's second thread.
    """
    if workers == 1:
        return None
    limit = os.environ.get("OMP_NUM_THREADS", "")
    equal = max(1, cores() // workers)
    return min(equal, int(limit)) if limit.isdigit() and int(limit) else equal


def _list_uuids() -> tuple[str, ...]:
    """Return the UUIDs that nvidia-smi lists, MIG instances in place of a GPU that is divided into them."""
    try:
        process = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    names: list[str] = []
    for name in re.findall(r"\(UUID: ((?:GPU|MIG)-[^)\s]+)\)", process.stdout if process.returncode == 0 else ""):
        if name.startswith("MIG-") and names and names[-1].startswith("GPU-"):
            names.pop()
        names.append(name)
    return tuple(names)
