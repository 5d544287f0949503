"""Guards: training pauses on a hot machine, and ends before it does harm.

A value that cannot be read is reported as unknown, once, and guards nothing. psutil and pynvml (of
nvidia-ml-py) are used where they are installed.
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
from pathlib import Path
from typing import Any

from hpo_script.machinery.log_file import say
from hpo_script.machinery.run_stops import Stops
from hpo_script.sections.constants import (
    FREE_CHECKPOINTS,
    FREE_DISK_GB,
    LOW_MEMORY,
    PAUSE_CELSIUS,
    RESUME_CELSIUS,
    STOP_CELSIUS,
    SWAP_GROWTH_GB,
)

GB = 10**9
LOOK_SECONDS = 5  # between two readings of the sensors
PLAUSIBLE = (1.0, 125.0)  # °C; a sensor that is not connected reads something else
Reading = tuple[float, str]  # °C, and the name of the sensor
Memory = tuple[float, float, float]  # GB: total, available, used swap


def installed(name: str) -> Any | None:
    """Return a module that this script does not require, None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def gpu_temperatures() -> Iterator[Reading]:
    """Yield the temperatures of NVIDIA's GPUs, by NVML."""
    if nvml := installed("pynvml"):
        nvml.nvmlInit()
        for index in range(nvml.nvmlDeviceGetCount()):
            gpu = nvml.nvmlDeviceGetHandleByIndex(index)
            found = nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)
            yield float(found), f"GPU {index}"


def psutil_temperatures() -> Iterator[Reading]:
    """Yield the temperatures that psutil reads: Linux and FreeBSD."""
    read = getattr(installed("psutil"), "sensors_temperatures", dict)
    for chip, sensors in read().items():
        for sensor in sensors:
            yield sensor.current, f"{chip} {sensor.label}".strip()


def sys_temperatures(root: Path = Path("/sys/class")) -> Iterator[Reading]:
    """Yield the temperatures of Linux: files of thousandths of a degree."""
    for pattern, label in (("thermal/*/temp", "type"), ("hwmon/*/temp*_input", "name")):
        for path in sorted(root.glob(pattern)):
            with suppress(OSError, ValueError):  # such as a sensor that sleeps
                name = path.with_name(label).read_text().strip()
                yield int(path.read_text()) / 1000, f"{name} {path.name}"


def mac_temperatures() -> Iterator[Reading]:
    """Yield the temperatures of macOS; powermetrics needs root, and has none on Apple silicon."""
    if path := shutil.which("powermetrics"):
        command = [path, "--samplers", "smc", "-n", "1", "-i", "1"]
        text = subprocess.check_output(command, text=True, timeout=30)
        for name, found in re.findall(r"(\w+) die temperature: ([\d.]+) C", text):
            yield float(found), f"{name} die"


SOURCES = (gpu_temperatures, psutil_temperatures, sys_temperatures, mac_temperatures)


def hottest(sources: tuple[Callable[[], Iterator[Reading]], ...] = SOURCES) -> Reading | None:
    """Return the highest temperature of this machine, None where none can be read."""
    found: list[Reading] = []
    for source in sources:
        with suppress(Exception):  # each has its own errors, such as a missing driver
            found += (one for one in source() if PLAUSIBLE[0] <= one[0] <= PLAUSIBLE[1])
    return max(found, default=None)


def in_words(reading: Reading | None) -> str:
    """Return a reading for a message."""
    return f"temperature {reading[0]:.0f} °C ({reading[1]})" if reading else "temperature unknown"


class TemperatureGuard:
    """Pauses training while the machine is hot, and ends the run when it is too hot."""

    def __init__(self, read: Callable[[], Reading | None] = hottest) -> None:
        self.read = read
        self.next_look: float | None = None

    def __call__(self, stops: Stops) -> str | None:
        """Read the sensors every few seconds."""
        if self.next_look and time.monotonic() < self.next_look:
            return None
        found = self.read()
        if self.next_look is None:
            say(in_words(found))
        if found and PAUSE_CELSIUS <= found[0] < STOP_CELSIUS:
            say(f"{in_words(found)}: training pauses until below {RESUME_CELSIUS:.0f} °C")
            found = self.pause(stops)
            say(f"{in_words(found)}: the pause ends")
        self.next_look = time.monotonic() + LOOK_SECONDS
        return in_words(found) if found and found[0] >= STOP_CELSIUS else None

    def pause(self, stops: Stops) -> Reading | None:
        """Wait until the machine has cooled down, or is too hot; return the last reading."""
        while found := self.read():
            if not RESUME_CELSIUS <= found[0] < STOP_CELSIUS or stops.stop or stops.look():
                break
            time.sleep(1)
        return found


def read_memory(file: Path = Path("/proc/meminfo")) -> Memory | None:
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

    def __init__(self, read: Callable[[], Memory | None] = read_memory) -> None:
        self.read = read
        self.before: float | None = None

    def __call__(self, _stops: Stops) -> str | None:
        """Compare the used swap with the first reading."""
        total, available, used = self.read() or (math.nan, math.nan, math.nan)
        if self.before is None:
            self.before = used
            say("swap unknown" if math.isnan(used) else f"swap {used:.1f} GB used")
        growth = used - self.before
        if not (available < LOW_MEMORY * total and growth > SWAP_GROWTH_GB):
            return None
        return f"swap grew by {growth:.1f} GB, {available:.1f} of {total:.1f} GB memory available"


class DiskGuard:
    """Ends the run while its checkpoint and results can still be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, _stops: Stops) -> str | None:
        """Compare free space with the next checkpoint, which is written beside the last."""
        sizes = [0.0]
        for path in self.folder.glob("checkpoints/*"):
            with suppress(FileNotFoundError):  # another worker's trial has ended
                sizes.append(path.stat().st_size / GB)
        need = max(FREE_DISK_GB, FREE_CHECKPOINTS * max(sizes))
        free = shutil.disk_usage(self.folder).free / GB
        return f"{free:.3f} GB free in {self.folder}, {need:.3f} needed" if free < need else None


def make_guards(folder: Path) -> list[Callable[[Stops], str | None]]:
    """Return the guards of a run; `folder` holds its results."""
    return [TemperatureGuard(), SwapGuard(), DiskGuard(folder)]
