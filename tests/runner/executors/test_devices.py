import pytest

from harness.runner.executors import devices

LISTING = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa-1)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb-2)
"""
SLICED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-cccc-3)
  MIG 3g.20gb     Device  1: (UUID: MIG-dddd-4)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb-2)
"""


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Return a way to say what nvidia-smi prints; without it there is none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def prints(text, code=0):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] || exit 9\necho '{text}'\nexit {code}\n")
        program.chmod(0o755)

    return prints


def test_without_nvidia_smi_there_are_no_gpus(smi):
    assert devices.gpus() == ()


def test_gpus_are_named_by_uuid_and_slices_stand_for_theirs(smi):
    smi(LISTING)
    assert devices.gpus() == ("GPU-aaaa-1", "GPU-bbbb-2")
    smi(SLICED)
    assert devices.gpus() == ("MIG-cccc-3", "MIG-dddd-4", "GPU-bbbb-2")


def test_a_driver_that_does_not_answer_means_none(smi):
    smi("NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.", 9)
    assert devices.gpus() == ()


@pytest.mark.parametrize(("listed", "known", "expected"), [
    ("", True, ()),
    ("0", True, ("0",)),
    ("1, 0", True, ("1", "0")),
    ("0,1,2", True, ("0", "1")),  # there are two
    ("0,1,2", False, ("0", "1", "2")),
    ("1,-1,0", True, ("1",)),  # CUDA reads up to the first name that is none
    ("NoDevFiles", True, ()),
    ("GPU-bbbb-2,MIG-cccc-3", True, ("GPU-bbbb-2", "MIG-cccc-3")),
])
def test_the_list_in_the_environment_stands(smi, monkeypatch, listed, known, expected):
    if known:
        smi(LISTING)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert devices.gpus() == expected


@pytest.mark.parametrize(("quota", "expected"), [
    ("max 100000\n", 6), ("250000 100000\n", 2), ("50000 100000\n", 1), ("900000 100000\n", 6), ("", 6)])
def test_cores_are_those_it_may_run_on_or_its_quota(tmp_path, monkeypatch, quota, expected):
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setattr(devices, "QUOTA", tmp_path / "cpu.max")
    assert devices.cores() == 6
    (tmp_path / "cpu.max").write_text(quota)
    assert devices.cores() == expected


@pytest.mark.parametrize(("workers", "limit", "expected"), [
    (1, None, None), (2, None, 3), (4, None, 1), (9, None, 1), (2, "2", 2), (2, "8", 3), (2, "0", 3), (2, "4,2", 3)])
def test_workers_share_the_cores(monkeypatch, workers, limit, expected):
    monkeypatch.setattr(devices, "cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if limit is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert devices.threads_per_worker(workers) == expected
