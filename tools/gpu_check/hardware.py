"""Describe the GPU and sample its load, by `nvidia-smi` and NVML, the library of the driver."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

SAMPLE_S = 0.05
FIELDS = ("name", "memory.total", "driver_version", "compute_cap")
NVML = "libnvidia-ml.so.1"
CUDA_LIBRARIES = ("libcudart.so", "libcublas.so", "libcuda.so")


@dataclass(slots=True)
class BusyShare:
    """Samples of the share of time in which the GPU ran a kernel, in percent; empty without a GPU."""

    percents: list[int] = field(default_factory=list)

    @property
    def mean(self) -> float | None:
        """Return the mean of the samples, or None without samples."""
        return round(sum(self.percents) / len(self.percents), 1) if self.percents else None


def describe_gpus() -> list[dict[str, str]]:
    """Return the name, memory, driver and compute capability of every NVIDIA GPU, if any."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=" + ",".join(FIELDS), "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return [dict(zip(FIELDS, (cell.strip() for cell in line.split(",")), strict=True)) for line in lines]


@contextmanager
def watched() -> Iterator[BusyShare]:
    """Sample the load of the first GPU, twenty times a second, until the block ends."""
    share, is_over, read = BusyShare(), Event(), _open_nvml()

    def sample() -> None:
        while read is not None and not is_over.wait(SAMPLE_S):
            percent = read()
            if percent is not None:
                share.percents.append(percent)

    sampler = Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield share
    finally:
        is_over.set()
        sampler.join()


def loaded_libraries() -> list[str]:
    """Return the file names of the CUDA libraries in this process; they show which release was used."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    files = {Path(line.split()[-1]).resolve().name for line in lines if "/" in line}
    return sorted(file for file in files if file.startswith(CUDA_LIBRARIES))


def _open_nvml() -> Callable[[], int | None] | None:
    """Return a function that reads the recent load of the first GPU, or None without a driver."""
    try:
        library = ctypes.CDLL(NVML)
    except OSError:
        return None
    device, rates = ctypes.c_void_p(), (ctypes.c_uint * 2)()
    if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)):
        return None
    return lambda: None if library.nvmlDeviceGetUtilizationRates(device, rates) else int(rates[0])
