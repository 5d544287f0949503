"""The table of faults in the docs: each is done to Optuna alone and to the script, and counted.

    cd tests && python -m faults.table [FILE]    print the table, keep it in a file as JSON

It takes about five minutes.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from docs_reference import markdown_table
from faults.harness import SMALL, Nursery, Place, Run, Trace, make_place, places
from faults.power import CALLS, replay
from faults.repairs import advised, follow
from scripts import changed

TRIALS, KILLS, WORKERS, SEED = 12, 8, 12, 1
CONFIG = changed(SMALL, study={"n_trials": TRIALS}, fixed={"epochs": 8})
Fault = Callable[[Place], str]


class Plain(Place):
    """The same study by Optuna alone."""

    pattern = "plain.py"
    always = ()


def rows(place: Place) -> list[tuple[object, ...]]:
    """Return what a study is, times left out; nothing where it cannot be opened."""
    try:
        trials = place.trials()
    except Exception:  # each kind of storage has its own
        return []
    return [(t.number, t.state.name, t.params, t.value) for t in trials]


def compare(place: Place, whole: list[tuple[object, ...]], runs: Iterable[Run] = ()) -> str:
    """Say in numbers how a study differs from an uninterrupted one."""
    found = rows(place)
    crashed = sum(run.code not in (0, -9) for run in runs)
    same = sum(row in found for row in whole)
    zombies = sum(row[1] == "RUNNING" for row in found)
    if found == whole and not crashed:
        return f"the same {len(whole)} trials"
    told = [f"{same} of {len(whole)} trials the same"] * bool(found) or ["nothing can be read"]
    told += [f"{len(found)} in the table"] * (len(found) != len(whole))
    told += [f"{zombies} RUNNING for ever"] * bool(zombies)
    return ", ".join([*told, *[f"runs crashed: {crashed}"] * bool(crashed)])


def uninterrupted(base: Place) -> list[tuple[object, ...]]:
    """Return the study that nothing interrupts."""
    place = base.copy(f"{base.folder.name}-whole")
    place.finish()
    found = rows(place)
    place.remove()
    return found


def killed(place: Place) -> list[Run]:
    """Kill a run at random moments, and run on."""
    chance = random.Random(SEED)  # noqa: S311
    for _ in range(KILLS):
        run = place.start()
        time.sleep(chance.uniform(0.5, 1.5))
        run.kill()
    return [place.run()]


def restarted(place: Place) -> list[Run]:
    """Run in three parts."""
    return [place.run("--n-trials", str(total)) for total in (4, 8, TRIALS)]


def crowded(place: Place) -> list[Run]:
    """Start twelve workers at once on an empty storage."""
    runs = [place.start() for _ in range(WORKERS)]
    return [run.wait() for run in runs]


def crowd(place: Place) -> str:
    """Say what twelve workers made."""
    runs = crowded(place)
    found = rows(place)
    crashed = sum(run.code != 0 for run in runs)
    ended = sum(str(row[1]) != "RUNNING" for row in found)
    return f"{crashed} of {WORKERS} crashed, {ended} trials of {TRIALS}"


def torn(place: Place) -> list[Run]:
    """Cut the journal within its last line, run on, and do what the refusal says, if it does."""
    place.storage = "journal://study.journal"
    begun = place.run("--n-trials", "6")
    journal = place.folder / "study.journal"
    if not journal.exists():
        return [begun]
    journal.write_bytes(journal.read_bytes()[:-20])
    run = place.run()
    if advised(run.said) is None:
        return [run]
    assert not follow(place, run.said)
    return [place.run()]


def starved(place: Place) -> list[Run]:
    """Let no write find room from the middle of the study on, then make room."""
    place.run("--n-trials", "6")
    run = place.start(held=True)
    inject = "inject=write,pwrite64:error=ENOSPC:when=100+"
    tracer = Trace(run, "-e", "trace=write,pwrite64", "-e", inject).process
    time.sleep(10)
    tracer.terminate()
    tracer.communicate()
    run.wait()
    return [place.run()]


def powerless(place: Place) -> list[Run]:
    """Lose power in the middle of the study: only what was synced is left."""
    origin = place.copy(f"{place.folder.name}-origin")
    run = origin.start(held=True)
    options = ["-s", "4000000", "-xx", "-e", f"trace={','.join(CALLS)}"]
    lines = Trace(run, *options).lines()
    run.wait()
    half = len(list(replay(lines, origin.folder, "next sync"))) // 2
    for number, (_, _, disk) in enumerate(replay(lines, origin.folder, "next sync")):
        if number == half:
            left = disk.left()
    for path, data in left.items():
        target = place.folder / Path(path).relative_to(origin.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    origin.remove()
    return [place.run()]


FAULTS: dict[str, Callable[[Place], list[Run]]] = {
    "three runs, one after another": restarted,
    f"{KILLS} SIGKILLs at random moments": killed,
    "a journal cut within its last line; what the message says is done": torn,
    "a full disk, then room again": starved,
    "power lost in the middle": powerless,
}


def measure(base: Place) -> dict[str, str]:
    """Return, for each fault, what it left of a study."""
    whole = uninterrupted(base)
    found = {}
    for number, (about, fault) in enumerate(FAULTS.items()):
        place = base.copy(f"{base.folder.name}-{number}")
        found[about] = compare(place, whole, fault(place))
        place.remove()
    place = base.copy(f"{base.folder.name}-crowd")
    found[f"{WORKERS} workers at once on an empty SQLite file"] = crowd(place)
    return found


def main() -> None:
    """Print the table, and write it to the file that is named, if one is."""
    nursery = Nursery()
    with places() as folder:
        script = make_place(folder, nursery, "script", CONFIG)
        plain = make_place(folder, nursery, "plain", CONFIG).folder
        shutil.copy(Path(__file__).with_name("plain.py"), plain)
        alone, ours = measure(Plain(plain, nursery)), measure(script)
    nursery.close()
    table = [["fault", "Optuna alone", "the script"]]
    table += [[about, alone[about], ours[about]] for about in alone]
    print(markdown_table(table[0], table[1:]))
    for name in sys.argv[1:]:
        Path(name).write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
