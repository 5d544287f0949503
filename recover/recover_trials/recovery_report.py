"""The result of a recovery, and its integrity report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from recover_trials.model import CUT, Study, is_remark
from recover_trials.skipped_lines import Findings

BEST_DIFFERS = "best trial {0}: {1} in its end line, {2} in a line that names it as the best"
BEST_BEATEN = "lines name trial {0} with {1} as the best, but trial {2} has {3}"
SAME_NAME = "another study of these logs has the same name"
DIRECTIONS_CONFLICT = (
    "the best trials that lines name imply both directions; studies with constraints can do so"
)


@dataclass
class Recovery:
    """All studies, and the damage of the files.

    Attributes:
        studies: in the order of their first lines.
        problems: damage in the files, a sentence each.
        files: counts of each file, by name.
        columns: names of the columns to write; None for all.
    """

    studies: list[Study] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    files: dict[str, Findings] = field(default_factory=dict)
    columns: list[str] | None = None

    @property
    def has_trials(self) -> bool:
        return any(study.trials for study in self.studies)

    @property
    def damaged(self) -> int:
        """Number of damaged lines, which are left out."""
        return sum(file.damaged for file in self.files.values())

    @property
    def unmatched(self) -> int:
        """Number of lines that name a trial in an unknown form."""
        return sum(file.unmatched.count + file.unstamped.count for file in self.files.values())

    @property
    def later(self) -> Counter[str]:
        """Kinds of lines that only a later version of hpogen writes, with their counts."""
        return sum((file.later for file in self.files.values()), Counter())

    @property
    def conflicts(self) -> list[str]:
        """All damage and conflicts, which make `--strict` fail."""
        conflicts = list(self.problems)
        for study in self.studies:
            conflicts += [f"{study.name}: {flag}" for flag in study.flags]
            for trial in study.rows:
                conflicts += [f"{study.name}: trial {trial.number}: {f}" for f in trial.conflicts]
        return conflicts

    def report(self) -> list[str]:
        """Return the integrity report, a line each."""
        lines = [line for study in self.studies for line in study_report(study)]
        for name, file in self.files.items():
            lines += [f"{name}: {line}" for line in file_report(file)]
        return lines + self.problems


# --- Checks --------------------------------------------------------------------------------------


def check_names(studies: Iterable[Study]) -> None:
    """Add a remark to studies of hpogen scripts with the same name."""
    by_name: dict[str, list[Study]] = defaultdict(list)
    for study in studies:
        if study.about:
            by_name[study.name].append(study)
    for same in by_name.values():
        for study in same if len(same) > 1 else ():
            study.remarks.append(SAME_NAME)


def check_best(study: Study) -> None:
    """Flag a study if its trials conflict with the best trial that its lines name."""
    if study.lower_is_better and study.higher_is_better:
        study.flags.append(DIRECTIONS_CONFLICT)
    for number, value in study.named_bests.items():
        ends = [t for t in study.trials.get(number, ()) if t.state != "RUNNING"]
        values = [t.value if t.state == "COMPLETE" else t.state for t in ends]
        if values and value not in values:
            study.flags.append(BEST_DIFFERS.format(number, values[0], value))
    named, best = study.named_best, study.best
    if named is None or best is None or study.direction is None or best.value is None:
        return
    sign = -1 if study.direction == "maximize" else 1
    is_beaten = sign * best.value < sign * named[1] and CUT not in best.flags
    if is_beaten and best.number != named[0]:
        study.flags.append(BEST_BEATEN.format(*named, best.number, best.value))


# --- Report --------------------------------------------------------------------------------------


def study_report(study: Study) -> list[str]:
    """Return the lines about one study."""
    counts = (
        ", ".join(f"{n} {state}" for state, n in sorted(study.counts().items())) or "no trials"
    )
    best, named = study.best, study.named_best
    text = f"; best trial {best.number}: {best.value}" if best else ""
    if best is None and named and not has_ended(study, named[0]):
        text = (
            f"; best trial {named[0]}: {named[1]}, named by other lines; its end line is missing"
        )
    if verdict := study.test_result.get("verdict"):
        text += f"; test split: {verdict}"
    lines = [f"{study.name} ({study.source}): {counts}{text}"]
    if study.starts_at:
        lines.append(f"  starts at trial {study.starts_at}: no log holds the earlier trials")
    if gaps := study.gaps():
        lines.append(f"  no line about {spans(gaps)}")
    if study.direction_inferred:
        lines.append(
            f"  direction {study.direction}, inferred from the best trials that lines name"
        )
    lines += [f"  {text}" for text in (*study.flags, *study.remarks)]
    return lines + flag_report(study)


def has_ended(study: Study, number: int) -> bool:
    """Return whether a trial has an end line."""
    return any(trial.state != "RUNNING" for trial in study.trials.get(number, ()))


def flag_report(study: Study) -> list[str]:
    """Return a line for each flag, with the numbers of its trials."""
    flagged: dict[str, list[int]] = defaultdict(list)
    for trial in study.rows:
        for flag in trial.flags:
            flagged[flag].append(trial.number)
    order = sorted(flagged, key=is_remark)
    return [f"  {spans(ranges(flagged[flag]))}: {flag}" for flag in order]


def ranges(numbers: list[int]) -> list[range]:
    """Return sorted numbers as ranges."""
    merged: list[range] = []
    for number in numbers:
        if merged and number <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, number + 1)
        else:
            merged.append(range(number, number + 1))
    return merged


def spans(numbers: list[range]) -> str:
    """Return trials as text: `trial 3`, `trials 0, 3-4`."""
    texts = [str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in numbers]
    one = len(numbers) == 1 and len(numbers[0]) == 1
    return f"{'trial' if one else 'trials'} {', '.join(texts)}"


def file_report(file: Findings) -> list[str]:
    """Return the lines about one file."""
    lines = list(file.remarks)
    if file.unmatched.count:
        lines.append(
            f"lines about trials in an unknown form: {file.unmatched.count},"
            f" such as {file.unmatched.sample!r}"
        )
    if file.unstamped.count:
        lines.append(
            f"lines without a time stamp of Optuna in a log with such stamps, left out:"
            f" {file.unstamped.count}, such as {file.unstamped.sample!r}"
        )
    if file.later:
        kinds = ", ".join(f"{head} ({n})" for head, n in file.later.most_common(3))
        lines.append(f"lines of a later version, left out: {file.later.total()}: {kinds}")
    if file.dry_runs:
        lines.append(f"dry runs, not counted as trials: {file.dry_runs}")
    return lines
