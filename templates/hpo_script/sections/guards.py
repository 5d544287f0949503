"""Guards: training pauses on a hot machine, and ends before it does harm.

What cannot be read is unknown, which is said once; no number stands in for it. psutil and pynvml
(of nvidia-ml-py) are used where they are installed.
"""

from __future__ import annotations

import importlib
import math
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpo_script.log_writer import say
from hpo_script.stops import Stops

GB = 10**9
LOOK_SECONDS = 5  # between two readings of the sensors
PLAUSIBLE = (1.0, 125.0)  # °C; beyond are sensors that are not connected
Reading = tuple[float, str]  # °C, and where it was read


@dataclass(frozen=True)
class Limits:
    """The constants of this section."""

    pause_celsius: float
    resume_celsius: float
    stop_celsius: float
    swap_growth_gb: float
    low_memory: float
    free_disk_gb: float
    free_checkpoints: float


def installed(name: str) -> Any | None:
    """Return a module that this script does not require, None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def gpu_temperatures() -> Iterator[Reading]:
    """Yield those of NVIDIA's GPUs, by NVML."""
    if nvml := installed("pynvml"):
        nvml.nvmlInit()
        for index in range(nvml.nvmlDeviceGetCount()):
            gpu = nvml.nvmlDeviceGetHandleByIndex(index)
            found = nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)
            yield float(found), f"GPU {index}"


def psutil_temperatures() -> Iterator[Reading]:
    """Yield those that psutil knows: Linux and FreeBSD."""
    read = getattr(installed("psutil"), "sensors_temperatures", dict)
    for chip, sensors in read().items():
        for sensor in sensors:
            yield sensor.current, f"{chip} {sensor.label}".strip()


def sys_temperatures(root: Path = Path("/sys/class")) -> Iterator[Reading]:
    """Yield those of Linux: files of thousandths of a degree."""
    for pattern, label in (("thermal/*/temp", "type"), ("hwmon/*/temp*_input", "name")):
        for path in sorted(root.glob(pattern)):
            with suppress(OSError, ValueError):  # such as a sensor that sleeps
                name = path.with_name(label).read_text().strip()
                yield int(path.read_text()) / 1000, f"{name} {path.name}"


def mac_temperatures() -> Iterator[Reading]:
    """Yield those of macOS; its command answers root only, and has no figures on Apple silicon."""
    if path := shutil.which("powermetrics"):
        command = [path, "--samplers", "smc", "-n", "1", "-i", "1"]
        said = subprocess.check_output(command, text=True, timeout=30)
        for name, found in re.findall(r"(\w+) die temperature: ([\d.]+) C", said):
            yield float(found), f"{name} die"


SOURCES = (gpu_temperatures, psutil_temperatures, sys_temperatures, mac_temperatures)


def hottest(sources: tuple[Callable[[], Iterator[Reading]], ...] = SOURCES) -> Reading | None:
    """Return the highest temperature of this machine, None where none can be read."""
    found: list[Reading] = []
    for source in sources:
        with suppress(Exception):  # each has its own errors, such as a driver that is not there
            found += (one for one in source() if PLAUSIBLE[0] <= one[0] <= PLAUSIBLE[1])
    return max(found, default=None)


def told(reading: Reading | None) -> str:
    """Return a reading for a message."""
    return f"temperature {reading[0]:.0f} °C ({reading[1]})" if reading else "temperature unknown"


class TemperatureGuard:
    """Pauses training while the machine is hot, and ends the run when it is too hot."""

    def __init__(self, limits: Limits, read: Callable[[], Reading | None] = hottest) -> None:
        self.limits, self.read = limits, read
        self.next_look: float | None = None

    def __call__(self, stops: Stops) -> str | None:
        """Look every few seconds."""
        if self.next_look and time.monotonic() < self.next_look:
            return None
        found = self.read()
        if self.next_look is None:
            say(told(found))
        if found and self.limits.pause_celsius <= found[0] < self.limits.stop_celsius:
            say(f"{told(found)}: training pauses until below {self.limits.resume_celsius:.0f} °C")
            found = self.pause(stops)
            say(f"{told(found)}: the pause ends")
        self.next_look = time.monotonic() + LOOK_SECONDS
        return told(found) if found and found[0] >= self.limits.stop_celsius else None

    def pause(self, stops: Stops) -> Reading | None:
        """Wait until the machine has cooled down, or is too hot; return the last reading."""
        while found := self.read():
            cooling = self.limits.resume_celsius <= found[0] < self.limits.stop_celsius
            if not (cooling and stops.may_wait(1)):
                break
        return found


Memory = tuple[float, float, float]  # GB: all of it, what is available, used swap


def memory(file: Path = Path("/proc/meminfo")) -> Memory | None:
    """Return how much memory there is, None where it cannot be read."""
    if psutil := installed("psutil"):
        found = psutil.virtual_memory()
        return found.total / GB, found.available / GB, psutil.swap_memory().used / GB
    try:
        kb = {name: int(n) for name, n in re.findall(r"(\w+): +(\d+) kB", file.read_text())}
        used = kb["SwapTotal"] - kb["SwapFree"]
        return kb["MemTotal"] * 1024 / GB, kb["MemAvailable"] * 1024 / GB, used * 1024 / GB
    except (OSError, KeyError):
        return None


class SwapGuard:
    """Ends the run before the machine does nothing but swap."""

    def __init__(self, limits: Limits, read: Callable[[], Memory | None] = memory) -> None:
        self.limits, self.read = limits, read
        self.before: float | None = None

    def __call__(self, _stops: Stops) -> str | None:
        """Compare the used swap with that of the first look."""
        total, available, used = self.read() or (math.nan, math.nan, math.nan)
        if self.before is None:
            self.before = used
            say("swap unknown" if math.isnan(used) else f"swap {used:.1f} GB used")
        growth = used - self.before
        low = available < self.limits.low_memory * total
        if not (low and growth > self.limits.swap_growth_gb):
            return None
        return f"swap grew by {growth:.1f} GB, {available:.1f} of {total:.1f} GB memory available"


class DiskGuard:
    """Ends the run while its checkpoint and results can still be written."""

    def __init__(self, limits: Limits, folder: Path) -> None:
        self.limits, self.folder = limits, folder

    def __call__(self, _stops: Stops) -> str | None:
        """Compare free space with what is to come: a checkpoint is written beside the last."""
        sizes = [0.0]
        for path in self.folder.glob("checkpoints/*"):
            with suppress(FileNotFoundError):  # another worker's trial has ended
                sizes.append(path.stat().st_size / GB)
        need = max(self.limits.free_disk_gb, self.limits.free_checkpoints * max(sizes))
        free = shutil.disk_usage(self.folder).free / GB
        return f"{free:.3f} GB free in {self.folder}, {need:.3f} needed" if free < need else None


def make_guards(folder: Path, limits: Limits) -> list[Callable[[Stops], str | None]]:
    """Return the guards of a run; `folder` is that of its results."""
    return [TemperatureGuard(limits), SwapGuard(limits), DiskGuard(limits, folder)]
