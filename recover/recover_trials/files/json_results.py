"""Which file of results a document is, and the trials in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from recover_trials.files.result_entries import mapping, number_of, trial_of
from recover_trials.model import BY_ORDER, Trial
from recover_trials.output.rows import OF_STUDY

# What a document must have to be one of these.
ENTRY = ({"trial_number", "params"}, {"number", "params", "state"}, {"trial_number", "val_loss"})
RANKED = {"rank", "params"}
BEST = {"best_params", "best_value"}
RANKED_METRICS = ("f1_macro",)  # higher is better


def is_text(found: Any) -> bool:
    """Tell whether a value is text."""
    return isinstance(found, str)


def is_scalar(found: Any) -> bool:
    """Tell whether a value is text or a number."""
    return isinstance(found, (str, int, float))


def is_search_space(found: Any) -> bool:
    """Tell whether a mapping holds distributions as Optuna writes them."""
    return isinstance(found, dict) and all(
        isinstance(entry, dict) and {"name", "attributes"} <= entry.keys()
        for entry in found.values()
    )


# What a document may tell of its study, and what it must look like.
KNOWN: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("name", "study", "study_name", "metric", "unit", "task", "tier"), is_text),
    **dict.fromkeys(("data_sha256", "architectures_sha256", "script_sha256"), is_text),
    **dict.fromkeys(("budget", "horizon", "seed"), is_scalar),
    "direction": lambda found: found in ("minimize", "maximize"),
    "search_space": is_search_space,
    "fixed_params": lambda found: isinstance(found, dict),
}


@dataclass
class Imported:
    """What one file of results, or one study of it, tells.

    Attributes:
        about: what it tells of its study, under the names of the log's run line.
        trials: in the order of the file.
        best: number and value of the best trial; the number may not be told.
        damaged: entries that are no trials, with a reason each.
        numbered: the numbers are the file's own, not places in a list.
    """

    about: dict[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    best: tuple[int | None, float] | None = None
    damaged: list[str] = field(default_factory=list)
    numbered: bool = True

    def take(self, entries: Iterable[Any]) -> None:
        """Take entries; what is no trial is counted."""
        for place, entry in enumerate(entries):
            try:
                trial = trial_of(entry, number=None if self.numbered else place)
            except (ValueError, TypeError, OverflowError) as error:
                self.damaged.append(f"entry {place}: {error}")
                continue
            if trial is not None:
                trial.flags += [] if self.numbered else [BY_ORDER]
                self.trials.append(trial)


def read_document(found: Any) -> list[Imported] | None:
    """Return what a JSON document tells; None if it is no file of results."""
    if isinstance(found, list):
        return read_list(found)
    if not isinstance(found, dict):
        return None
    if isinstance(found.get("studies"), list):
        return [told for study in found["studies"] for told in read_document(study) or []]
    if found.keys() >= BEST:
        return [read_best(found)]
    if isinstance(found.get("trials"), list):
        told = Imported(about_of(found))
        told.take(found["trials"])
        return [told]
    if any(keys <= found.keys() for keys in ENTRY):
        told = Imported(about_of(found) if "experiment" in found else {})
        told.take([found])
        return [told]
    return None


def read_records(found: list[Any]) -> list[Imported] | None:
    """Return the trials of JSON lines, by study; None if the first is no trial."""
    if read_document(found[0]) is None or "trials" in found[0]:
        return None
    studies: dict[str, Imported] = {}
    for entry in found:
        name = str(entry.get("study", "")) if isinstance(entry, dict) else ""
        about = take_about(entry) if name else {}
        told = studies.setdefault(name, Imported(about))
        told.take([entry])
    return list(studies.values())


def take_about(row: dict[str, Any]) -> dict[str, Any]:
    """Take the columns that all trials of a study share out of a row; return them."""
    shared = {name: row.pop(name) for name in OF_STUDY if name in row}
    return about_of({**shared, "study": row["study"]} if row.get("study") else shared)


def read_list(found: list[Any]) -> list[Imported] | None:
    """Return the trials of a list: a history, or the best ones by rank."""
    if not found or not isinstance(found[0], dict):
        return None
    if any(keys <= found[0].keys() for keys in ENTRY):
        told = Imported()
    elif found[0].keys() >= RANKED:
        metric = next((name for name in RANKED_METRICS if name in found[0]), None)
        told = Imported({"direction": "maximize", "metric": metric} if metric else {})
        told.numbered = False
    else:
        return None
    told.take(found)
    return [told]


def read_best(found: dict[str, Any]) -> Imported:
    """Return the best trial of a study. Old files do not tell its number: then only its value."""
    told = Imported(about_of(found))
    try:
        value = None if found["best_value"] is None else number_of(found["best_value"])
    except ValueError as error:
        told.damaged.append(str(error))
        return told
    number = found.get("best_trial", found.get("best_trial_number"))
    if value is None:
        return told
    told.best = (None, value)
    if isinstance(number, int) and not isinstance(number, bool):
        told.best = (number, value)
        entry = {
            "trial_number": number,
            "state": "COMPLETE",
            "value": value,
            "params": found["best_params"],
            "architecture": found.get("architecture"),
            "user_attrs": found.get("best_user_attrs"),
        }
        told.take([entry])
    return told


def about_of(found: dict[str, Any]) -> dict[str, Any]:
    """Return what a document tells of its study, under the names of the log's run line."""
    own = mapping(found["about"]) if isinstance(found.get("about"), dict) else {}
    names = {"experiment": "name", "study_id": "study"}
    told: dict[str, Any] = {}
    for source in (own, {k: v for k, v in found.items() if k not in ("about", "study")}):
        for name, value in source.items():
            key = names.get(name, name)
            if key in KNOWN and KNOWN[key](value):
                told.setdefault(key, value)
    if isinstance(found.get("study"), str):
        told.setdefault("name", found["study"])
    return told
