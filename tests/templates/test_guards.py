"""Guards: real files, real processes; each limit decides."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from hpo_script.machinery.log_file import Interrupted
from hpo_script.machinery.run_stops import Stops
from hpo_script.sections import guards as section
from hpo_script.sections.guards import (
    DiskGuard,
    SwapGuard,
    TemperatureGuard,
    gpu_temperatures,
    hottest,
    mac_temperatures,
    psutil_temperatures,
    read_memory,
    sys_temperatures,
)
from hpogen.rendering.sections import SCRIPT_SECTIONS
from scripts import MARKET, changed, edit, render_to, run


@pytest.fixture
def stops(tmp_path: Path) -> Iterator[Stops]:
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    before = {name: signal.getsignal(getattr(signal, name)) for name in names}
    yield Stops(tmp_path / "STOP")
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


class Machine:
    """A folder like /sys/class with one sensor."""

    def __init__(self, folder: Path, celsius: float) -> None:
        self.root, self.file = folder, folder / "thermal/thermal_zone0/temp"
        self.file.parent.mkdir(parents=True)
        self.file.with_name("type").write_text("x86_pkg_temp\n")
        self.heat(celsius)

    def heat(self, celsius: float) -> None:
        """Set the temperature."""
        part = self.file.with_name("part")
        part.write_text(f"{round(celsius * 1000)}\n")
        part.replace(self.file)

    def read(self) -> tuple[float, str] | None:
        """Return the temperature, as a guard reads it."""
        return hottest((partial(sys_temperatures, self.root),))


def later(action: Callable[[], object], *, seconds: float = 0.3) -> threading.Timer:
    """Do something in a while."""
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def test_the_hottest_sensor_of_linux_is_named_and_a_sleeping_one_is_passed_over(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path, 41.5)
    drive = tmp_path / "hwmon/hwmon0"
    drive.mkdir(parents=True)
    (drive / "name").write_text("nvme\n")
    (drive / "temp1_input").write_text("63850\n")
    (drive / "temp2_input").write_text("")
    (drive / "temp3_input").mkdir()
    assert machine.read() == (63.85, "nvme temp1_input")


@pytest.mark.parametrize("celsius", [-128.0, 0.0, 0.9, 125.1, 255.0])
def test_a_sensor_that_is_not_connected_is_unknown(celsius: float, tmp_path: Path) -> None:
    assert Machine(tmp_path, celsius).read() is None


@pytest.mark.parametrize("celsius", [1.0, 125.0])
def test_a_sensor_at_the_edge_of_the_plausible_is_read(celsius: float, tmp_path: Path) -> None:
    assert Machine(tmp_path, celsius).read() == (celsius, "x86_pkg_temp temp")


def test_sources_say_what_the_machine_says() -> None:
    known = [s.current for sensors in psutil.sensors_temperatures().values() for s in sensors]
    assert [celsius for celsius, _ in psutil_temperatures()] == pytest.approx(known, abs=15)
    try:
        found = subprocess.check_output(
            ["nvidia-smi", "--query-gpu=temperature.gpu", "--format=csv,noheader"], text=True
        )
    except (OSError, subprocess.SubprocessError):
        assert hottest((gpu_temperatures,)) is None
    else:
        gpus = [float(line) for line in found.splitlines()]
        assert [celsius for celsius, _ in gpu_temperatures()] == pytest.approx(gpus, abs=10)


def test_powermetrics_is_asked_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(mac_temperatures()) == []
    command = tmp_path / "powermetrics"
    command.write_text(
        '#!/bin/sh\n[ "$*" = "--samplers smc -n 1 -i 1" ] || exit 1\n'
        "printf '**** SMC sensors ****\\nCPU die temperature: 59.44 C\\n"
        "GPU die temperature: 48.00 C\\nCPU Plimit: 0.00\\n'\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert list(mac_temperatures()) == [(59.44, "CPU die"), (48.0, "GPU die")]
    command.write_text("#!/bin/sh\necho powermetrics must be invoked as the superuser >&2; exit 1")
    assert hottest((mac_temperatures,)) is None


def test_what_cannot_be_read_is_unknown_and_said_once(
    tmp_path: Path, stops: Stops, capsys: pytest.CaptureFixture[str]
) -> None:
    guards = [
        TemperatureGuard(partial(hottest, (partial(sys_temperatures, tmp_path),))),
        SwapGuard(lambda: None),
    ]
    for _ in range(3):
        assert [guard(stops) for guard in guards] == [None, None]
    assert capsys.readouterr().err == "temperature unknown\nswap unknown\n"


def limits(patch: pytest.MonkeyPatch, **changes: float) -> None:
    """Change constants of the section."""
    for name, value in changes.items():
        patch.setattr(section, name.upper(), value)


def heated(stops: Stops, folder: Path, start: float, *then: float) -> str | None:
    """Return the answer of the guard on a machine that is as hot as `start`, then `then`."""
    machine = Machine(folder, start)
    readings = iter(then)

    def read() -> tuple[float, str] | None:
        found = machine.read()
        machine.heat(next(readings, 20.0))
        return found

    return TemperatureGuard(read)(stops)


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def pauses(text: str) -> int:
    """Return how many pauses were said."""
    assert text.count(": training pauses until below") == text.count(": the pause ends")
    return text.count(": the pause ends")


@pytest.mark.usefixtures("no_wait")
@pytest.mark.parametrize(
    ("changes", "start", "n_pauses", "said"),
    [
        ({}, 84.9, 0, None),
        ({}, 85.0, 1, None),
        ({"pause_celsius": 84.0}, 84.9, 1, None),
        ({}, 94.9, 1, None),
        ({}, 95.0, 0, "temperature 95 °C (x86_pkg_temp temp)"),
        ({"stop_celsius": 94.0}, 94.9, 0, "temperature 95 °C (x86_pkg_temp temp)"),
    ],
)
def test_a_hot_machine_pauses_and_one_too_hot_ends_the_run(
    changes: dict[str, Any],
    start: float,
    n_pauses: int,
    said: str | None,
    tmp_path: Path,
    stops: Stops,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits(monkeypatch, **changes)
    assert heated(stops, tmp_path, start) == said
    assert pauses(capsys.readouterr().err) == n_pauses


@pytest.mark.usefixtures("no_wait")
@pytest.mark.parametrize(
    ("resume", "last"), [(80.0, "temperature 80 °C"), (82.0, "temperature 81 °C")]
)
def test_a_pause_lasts_until_the_machine_is_below_the_limit(
    resume: float,
    last: str,
    tmp_path: Path,
    stops: Stops,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits(monkeypatch, resume_celsius=resume)
    assert heated(stops, tmp_path, 86.0, 84.0, 81.0, 80.0, 79.6) is None
    assert f"{last} (x86_pkg_temp temp): the pause ends" in capsys.readouterr().err


@pytest.mark.usefixtures("no_wait")
def test_a_machine_that_heats_further_in_a_pause_ends_the_run(
    tmp_path: Path, stops: Stops
) -> None:
    said = heated(stops, tmp_path, 86.0, 90.0, 96.0)
    assert said == "temperature 96 °C (x86_pkg_temp temp)"


@pytest.mark.parametrize("by", ["STOP", "SIGTERM", "timeout"])
def test_what_ends_a_run_also_ends_a_pause(by: str, tmp_path: Path, stops: Stops) -> None:
    machine = Machine(tmp_path / "sys", 90.0)
    stops.guards = [TemperatureGuard(machine.read)]
    asks: dict[str, Callable[[], object]] = {
        "STOP": (tmp_path / "STOP").touch,
        "SIGTERM": partial(os.kill, os.getpid(), signal.SIGTERM),
        "timeout": partial(setattr, stops, "end", 0.0),
    }
    timer = later(asks[by])
    stops.asked()
    timer.join()
    stops.next_look = 0.0
    stop = stops.asked()
    assert isinstance(stop, Interrupted)
    assert (stop.reason, stop.code) == (by, 143 if by == "SIGTERM" else 75)


def test_sensors_are_not_read_at_every_look(tmp_path: Path, stops: Stops) -> None:
    machine = Machine(tmp_path, 50.0)
    guard = TemperatureGuard(machine.read)
    assert guard(stops) is None
    machine.heat(99.0)
    assert guard(stops) is None
    assert guard.next_look is not None
    guard.next_look -= 5
    assert guard(stops) == "temperature 99 °C (x86_pkg_temp temp)"


MEMINFO = """\
MemTotal:       15625000 kB
MemFree:          125000 kB
MemAvailable:   {available} kB
SwapTotal:       4000000 kB
SwapFree:       {free} kB
"""


def test_memory_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = read_memory()
    assert found is not None
    known, swap = psutil.virtual_memory(), psutil.swap_memory()
    assert found[0] == known.total / 1e9
    assert found[1] == pytest.approx(known.available / 1e9, rel=0.2)
    assert found[2] == pytest.approx(swap.used / 1e9, abs=0.5)
    monkeypatch.setitem(sys.modules, "psutil", None)  # as where it is not installed
    without = read_memory()
    assert without is not None
    assert without[0] == pytest.approx(found[0])
    assert without[2] == pytest.approx(swap.used / 1e9, abs=0.5)
    assert read_memory(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("changes", "available", "free", "said"),
    [
        ({}, 1_500_000, 2_000_000, "swap grew by 2.0 GB, 1.5 of 16.0 GB memory available"),
        ({}, 1_500_000, 3_100_000, None),  # 0.9 GB
        ({"swap_growth_gb": 0.8}, 1_500_000, 3_100_000,
         "swap grew by 0.9 GB, 1.5 of 16.0 GB memory available"),
        ({}, 1_600_000, 2_000_000, None),  # more than a tenth of the memory is available
        ({"low_memory": 0.2}, 1_600_000, 2_000_000,
         "swap grew by 2.0 GB, 1.6 of 16.0 GB memory available"),
    ],
)  # fmt: skip
def test_swap_that_grew_while_memory_is_low_ends_the_run(
    changes: dict[str, Any],
    available: int,
    free: int,
    said: str | None,
    tmp_path: Path,
    stops: Stops,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    file = tmp_path / "meminfo"
    file.write_text(MEMINFO.format(available=1_500_000, free=4_000_000))
    limits(monkeypatch, **changes)
    guard = SwapGuard(partial(read_memory, file))
    assert guard(stops) is None
    file.write_text(MEMINFO.format(available=available, free=free))
    assert guard(stops) == said


def test_swap_that_was_used_before_the_run_does_not_end_it(tmp_path: Path, stops: Stops) -> None:
    guard = SwapGuard(lambda: (16.0, 0.1, 12.0))
    assert (guard(stops), guard(stops)) == (None, None)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 64 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mount: only root may make a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_the_run_ends_while_a_checkpoint_still_fits(
    small_disk: Path, stops: Stops, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(monkeypatch, free_disk_gb=0.03)
    guard = DiskGuard(small_disk)
    assert guard(stops) is None
    (small_disk / "checkpoints").mkdir()
    checkpoint = small_disk / "checkpoints" / "trial_0000.pt"
    checkpoint.write_bytes(bytes(15_000_000))
    assert guard(stops) is None
    checkpoint.write_bytes(bytes(18_000_000))
    assert guard(stops) == f"0.049 GB free in {small_disk}, 0.054 needed"
    limits(monkeypatch, free_checkpoints=2.0)
    assert guard(stops) is None


def test_the_run_ends_while_results_can_still_be_written(
    small_disk: Path, stops: Stops, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = DiskGuard(small_disk)
    assert guard(stops) == f"0.067 GB free in {small_disk}, 1.000 needed"
    limits(monkeypatch, free_disk_gb=0.05)
    assert guard(stops) is None


def test_the_constants_that_parts_are_tested_with_are_those_of_a_script() -> None:
    constants = {name: value for name, value, _ in SCRIPT_SECTIONS["guards"].constants}
    assert {name: getattr(section, name) for name in constants} == constants


@pytest.mark.study
def test_a_script_with_guards_ends_by_them_and_continues_without_the_cause(
    sp500: Path, tmp_path: Path
) -> None:
    machine = Machine(tmp_path / "sys", 96.0)
    config = changed(MARKET, study={"n_trials": 1}, fixed={"epochs": 1}, sections=["guards"])
    script = render_to(tmp_path, config)
    edit(script, ('root: Path = Path("/sys/class")', f"root: Path = Path({str(machine.root)!r})"))
    done = run(script)
    assert done.returncode == 75, done.stderr
    log = (tmp_path / "logs" / f"{script.stem}.log").read_text()
    assert "stopped: temperature 96 °C (x86_pkg_temp temp). To continue" in done.stderr
    assert r'reason="temperature 96 \u00b0C (x86_pkg_temp temp)"' in log
    machine.heat(40.0)
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert '"complete": 1' in done.stdout
    assert "temperature 40 °C (x86_pkg_temp temp)\n" in done.stderr
