"""A real Slurm: the job of the docs is warned, loses its machine, reaches its end, goes on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.harness import SMALL, Nursery, Place, differences, make_place
from scripts import changed, edit
from slurm import Cluster, cluster

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "queue.md"
LONGER = changed(SMALL, study={"n_trials": 2}, fixed={"epochs": 120, "patience": 120})


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    """Return a Slurm of one machine."""
    with cluster() as found:
        yield found


@pytest.fixture
def place(shelf: Path, nursery: Nursery) -> Place:
    """Return a study of some seconds, with the job of the docs."""
    place = make_place(shelf, nursery, "job", LONGER)
    page = PAGE.read_text(encoding="utf-8")
    lines = re.findall(r"^> (.*)", page[page.index("cat > job.sh") :].partition("> END")[0], re.M)
    job = "\n".join(line for line in lines if "--gres" not in line)
    options = "--checkpoint-minutes 0 --take-over"
    assert "python" in job
    assert "--take-over" in job
    job = job.replace(" python ", f" {sys.executable} ").replace("--take-over", options)
    (place.folder / "job.sh").write_text(f"{job}\n")
    (place.folder / "scripts.txt").write_text(f"{place.script.name}\n")
    return place


def reasons(place: Place) -> list[str]:
    """Return why each run ended."""
    return re.findall(r'Run \w+ ended: reason="([^"]*)"', place.text)


def test_a_job_that_is_warned_and_one_whose_machine_fails_are_queued_again_and_go_on(
    slurm: Cluster, place: Place
) -> None:
    whole = place.copy("whole")
    whole.finish()
    job = slurm.submit(place.folder, "--array=1-1", "job.sh") + "_1"
    slurm.wait(lambda: "Trial 0 epoch 20:" in place.text, 120)
    slurm.call("scancel", "--signal=USR1", "--batch", job)  # what --signal=B:USR1@300 sends
    slurm.hurry(job)
    slurm.wait(lambda: "Trial 1 epoch 20:" in place.text, 120)
    slurm.call("scontrol", "update", f"NodeName={slurm.host}", "State=DOWN", "Reason=test")
    slurm.hurry(job)
    slurm.wait(lambda: not slurm.waiting(), 180)
    assert reasons(place) == ["SIGUSR1", "SIGTERM", "trials"]
    assert not differences(whole.tables(), place.tables())


def test_a_job_ends_its_run_before_slurm_ends_the_job(slurm: Cluster, place: Place) -> None:
    endless = ('"epochs": 120', '"epochs": 90_000'), ('"patience": 120', '"patience": 90_000')
    edit(place.script, *endless, ("SLURM_MARGIN = 120", "SLURM_MARGIN = 50"))
    command = f"{sys.executable} {place.script.name}"
    slurm.submit(place.folder, "--time=1", "--output=told", f"--wrap={command}")
    slurm.wait(lambda: not slurm.waiting(), 120)
    assert reasons(place) == ["timeout"]
    assert "Trial 0 epoch 1:" in place.text
    assert "CANCELLED" not in (place.folder / "told").read_text()
