"""Studies of files of results: their fields, their trials, their damage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from recover_trials.files.result_entries import mapping, trial_of
from recover_trials.model import NUMBERED_BY_ORDER, SHARED_COLUMNS, VALUE_MISSING, Trial


@dataclass
class ResultStudy:
    """One study of a file of results.

    Attributes:
        about: fields of the study, under the names of the log's run line.
        trials: in the order of the file.
        best: number and value of the best trial; the number is None if the file has none.
        damaged: entries that are not trials, with a reason each.
        numbered: whether the file has trial numbers; otherwise they are places in a list.
        excerpt: the file holds some trials of a study, chosen by their values.
        flags: damage and conflicts of the study as a whole.
        remarks: facts for the report that are not faults.
    """

    about: dict[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    best: tuple[int | None, float] | None = None
    damaged: list[str] = field(default_factory=list)
    numbered: bool = True
    excerpt: bool = False
    flags: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, entries: Iterable[Any]) -> None:
        """Add the trials of entries; an entry that is not a trial is damaged."""
        for place, entry in enumerate(entries):
            self.add_one(place, entry)

    def add_one(self, place: int, entry: Any) -> Trial | None:
        """Add the trial of an entry; return it, or None for a waiting or damaged one."""
        try:
            trial = trial_of(entry, number=None if self.numbered else place)
        except (ValueError, TypeError, OverflowError) as error:
            self.damaged.append(f"entry {place}: {error}")
            return None
        if trial is not None:
            trial.flags += [] if self.numbered else [NUMBERED_BY_ORDER]
            is_lost = trial.state == "COMPLETE" and not trial.values
            trial.flags += [VALUE_MISSING] * (is_lost and VALUE_MISSING not in trial.flags)
            self.trials.append(trial)
        return trial


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def is_search_space(value: Any) -> bool:
    """Return whether a mapping holds distributions as Optuna writes them."""
    return isinstance(value, dict) and all(
        isinstance(entry, dict) and {"name", "attributes"} <= entry.keys()
        for entry in value.values()
    )


# Fields of a study, and the check of their values.
STUDY_FIELDS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("name", "study", "study_name", "metric", "unit", "task", "tier"), is_text),
    **dict.fromkeys(("data_sha256", "architectures_sha256", "script_sha256"), is_text),
    **dict.fromkeys(("budget", "horizon", "seed"), is_scalar),
    "direction": lambda value: value in ("minimize", "maximize"),
    "search_space": is_search_space,
    "fixed_params": lambda value: isinstance(value, dict),
}


def study_fields(document: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the study of a document, under the names of the log's run line."""
    own = mapping(document["about"]) if isinstance(document.get("about"), dict) else {}
    names = {"experiment": "name", "study_id": "study"}
    about: dict[str, Any] = {}
    for source in (own, {k: v for k, v in document.items() if k not in ("about", "study")}):
        for name, value in source.items():
            key = names.get(name, name)
            if key in STUDY_FIELDS and STUDY_FIELDS[key](value):
                about.setdefault(key, value)
    if isinstance(document.get("study"), str):
        about.setdefault("name", document["study"])
    return about


def pop_study_fields(row: dict[str, Any]) -> dict[str, Any]:
    """Remove the columns that all trials of a study share from a row; return them."""
    shared = {name: row.pop(name) for name in SHARED_COLUMNS if name in row}
    return study_fields({**shared, "study": row["study"]} if row.get("study") else shared)
