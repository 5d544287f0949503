"""A real Slurm: the job of the docs is warned, loses its node, reaches its end, and continues."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.harness import SMALL, Place, differences, make_place
from scripts import changed, edit
from slurm import Cluster, cluster
from warm import Warm

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "programs.md"
LONGER = changed(SMALL, study={"n_trials": 2}, fixed={"epochs": 120, "patience": 120})


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    """Return a Slurm of one node."""
    with cluster() as found:
        yield found


def place_for(folder: Path, server: Warm, **changes: object) -> Place:
    """Return a study of some seconds, with the job of the docs."""
    place = make_place(folder, server, "job", changed(LONGER, **changes))
    page = PAGE.read_text(encoding="utf-8")
    lines = re.findall(r"^> (.*)", page[page.index("cat > job.sh") :].partition("> END")[0], re.M)
    job = "\n".join(line for line in lines if "--gres" not in line)
    command = f"{sys.executable} {place.script.name} --checkpoint-minutes 0"
    job, n_commands = re.subn(r"python hpo_\w+\.py", command, job)
    assert n_commands == 1
    (place.folder / "job.sh").write_text(f"{job}\n")
    return place


def reasons(place: Place) -> list[str]:
    """Return why each run ended."""
    return re.findall(r'Run \w+ ended: reason="([^"]*)"', place.text)


def test_a_job_that_is_warned_or_loses_its_node_is_requeued_and_continues(
    slurm: Cluster, shelf: Path, server: Warm
) -> None:
    place = place_for(shelf, server)
    whole = place.copy("whole")
    whole.finish()
    job = slurm.submit(place.folder, "job.sh")
    slurm.wait(lambda: "Trial 0 epoch 20:" in place.text, 120)
    slurm.call("scancel", "--signal=USR1", "--batch", job)  # what --signal=B:USR1@300 sends
    slurm.hurry(job)
    slurm.wait(lambda: "Trial 1 epoch 20:" in place.text, 120)
    slurm.call("scontrol", "update", f"NodeName={slurm.host}", "State=DOWN", "Reason=test")
    slurm.hurry(job)
    slurm.wait(lambda: not slurm.waiting(), 180)
    assert reasons(place) == ["SIGUSR1", "SIGTERM", "trials"]
    assert not differences(whole.tables(), place.tables())


def test_a_script_with_slurm_ends_before_slurm_ends_its_job(
    slurm: Cluster, shelf: Path, server: Warm
) -> None:
    endless = {"epochs": 90_000, "patience": 90_000}
    place = place_for(shelf, server, fixed=endless, sections=["slurm"])
    edit(place.script, ("SLURM_MARGIN = 120", "SLURM_MARGIN = 95"))
    command = f"{sys.executable} {place.script.name}; echo ended with $?"
    slurm.submit(place.folder, "--time=2", "--output=output", f"--wrap={command}")
    slurm.wait(lambda: not slurm.waiting(), 300)
    output = (place.folder / "output").read_text()
    assert reasons(place) == ["end of the job"], output
    assert "ended with 75" in output
    assert "CANCELLED" not in output
