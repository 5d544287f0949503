"""Merge of rankings with the studies that their trials belong to.

A ranking with trial numbers belongs to a study that proves it, as other files of results do. A
ranking without numbers belongs to a study in which each of its trials has exactly one equal trial,
and takes their numbers. Any other ranking is a study of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from recover_trials.files.merge_results import (
    SEVERAL,
    Comparison,
    add_result,
    are_compatible,
    as_text,
    merge_result,
)
from recover_trials.files.result_study import ResultStudy
from recover_trials.model import NUMBERED_BY_ORDER, Study, Trial


class Rankings:
    """Collects rankings, each as a study."""

    def __init__(self) -> None:
        self.studies: list[Study] = []

    def add(self, results: Iterable[ResultStudy], source: str) -> None:
        """Add the rankings among the results of a file."""
        path = Path(source).absolute()
        for result in results:
            if not result.excerpt:
                continue
            name = result.about.get("name") or path.stem.removesuffix("topk").rstrip("_-")
            key = f"{source}#ranking {len(self.studies) + 1}"
            study = Study(key, str(name or path.parent.name), source)
            add_result(study, result)
            self.studies.append(study)

    def merge_into(self, studies: list[Study]) -> list[Study]:
        """Return the studies, with the rankings added, and the remaining rankings."""
        merged = list(studies)
        for ranking in sorted(self.studies, key=lacks_numbers):
            if not ranking.trials:
                continue
            found = [(study, numbers_in(study, ranking)) for study in merged]
            same = [(study, numbers) for study, numbers in found if numbers is not None]
            if len(same) == 1:
                merge_ranking(*same[0], ranking)
                continue
            ranking.flags += [SEVERAL] * bool(same)
            merged.append(ranking)
        return merged


def lacks_numbers(ranking: Study) -> bool:
    """Return whether the numbers of a ranking are the positions of its entries."""
    return any(NUMBERED_BY_ORDER in trial.flags for trial in ranking.rows)


def numbers_in(study: Study, ranking: Study) -> list[int] | None:
    """Return the numbers of the trials of a ranking in a study; None if it has others."""
    if not lacks_numbers(ranking):
        is_same = Comparison.of(study, ranking.rows).is_one_study()
        return [trial.number for trial in ranking.rows] if is_same else None
    numbers: list[int] = []
    by_values: dict[tuple[float, ...], list[Trial]] = {}
    for row in study.rows:
        by_values.setdefault(row.values, []).append(row)
    for trial in ranking.rows:
        equal = {row.number for row in by_values.get(trial.values, ()) if is_equal(trial, row)}
        if len(equal) != 1:
            return None
        numbers += equal
    return numbers if len({*numbers}) == len(numbers) else None


def is_equal(ranked: Trial, row: Trial) -> bool:
    """Return whether two trials have the same parameters, values and, where known, times."""
    one, other = (
        {name: as_text(value) for name, value in trial.params.items()} for trial in (ranked, row)
    )
    return bool(ranked.values and one) and one == other and are_compatible(ranked, row)


def merge_ranking(study: Study, numbers: list[int], ranking: Study) -> None:
    """Merge a ranking into a study, under the numbers that its trials have there."""
    trials = ranking.rows
    flags = [[f for f in trial.flags if f != NUMBERED_BY_ORDER] for trial in trials]
    ranking.trials = {}
    for number, trial in zip(numbers, trials, strict=True):
        trial.number, trial.flags = number, []
        ranking.trials.setdefault(number, []).append(trial)
    ranking.remarks = []  # the study has the other trials
    merge_result(study, ranking)
    study.flags += [flag for flag in ranking.flags if flag not in study.flags]
    for trial, own in zip(trials, flags, strict=True):
        rows = study.trials[trial.number]
        row = next((r for r in rows if r is trial or are_compatible(r, trial)), rows[-1])
        row.flags += [flag for flag in own if flag not in row.flags]
