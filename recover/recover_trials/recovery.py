"""What was recovered, and the integrity report on it."""

from __future__ import annotations

from collections import Counter, defaultdict

from recover_trials.findings import Findings
from recover_trials.model import REMARKS, Study
from recover_trials.record import Record


class Recovery(Record):
    """Everything that was found, and what was not right.

    Attributes:
        studies: what the logs tell, in the order in which they were met.
        problems: what is damaged or missing in the files, a sentence each.
        files: what was found in each file besides trials.
    """

    FIELDS = ("studies", "problems", "files")

    def __init__(
        self,
        studies: list[Study] | None = None,
        problems: list[str] | None = None,
        files: dict[str, Findings] | None = None,
    ) -> None:
        self.studies = studies or []
        self.problems = problems or []
        self.files = files or {}

    @property
    def damaged(self) -> int:
        """Return how many lines of search scripts are damaged and were left out."""
        return sum(file.damaged for file in self.files.values())

    @property
    def unmatched(self) -> int:
        """Return how many lines name a trial in a form that no format explains."""
        return sum(file.unmatched.count + file.unstamped.count for file in self.files.values())

    @property
    def later(self) -> Counter[str]:
        """Return the kinds of lines that only a later version knows, with their counts."""
        return sum((file.later for file in self.files.values()), Counter())

    @property
    def conflicts(self) -> list[str]:
        """Return what contradicts or is damaged: the reasons why a strict run fails."""
        found = list(self.problems)
        for study in self.studies:
            found += [f"{study.name}: {flag}" for flag in study.flags]
            for trial in study.rows:
                found += [f"{study.name}: trial {trial.number}: {f}" for f in trial.conflicts]
        return found

    def report(self) -> list[str]:
        """Return the integrity report, a line each."""
        lines = [line for study in self.studies for line in study_report(study)]
        for name, file in self.files.items():
            lines += [f"{name}: {line}" for line in file_report(file)]
        return lines + self.problems


def study_report(study: Study) -> list[str]:
    """Return what is to be said of a study."""
    counts = ", ".join(f"{n} {state}" for state, n in sorted(study.counts().items()))
    best, told = study.best, study.told_best
    found = f"; best trial {best.number}: {best.value}" if best else ""
    if best is None and told:
        found = f"; best trial {told[0]}: {told[1]}, named by other lines, its own is not here"
    lines = [f"{study.name} ({study.source}): {counts}{found}"]
    if study.starts_at:
        lines.append(f"  starts at {study.starts_at}: the trials before are in no log")
    if gaps := study.gaps():
        lines.append(f"  no line of {spans(gaps)}")
    if study.direction_inferred:
        lines.append(f"  {study.direction}: inferred from the trials that lines call the best")
    lines += [f"  {text}" for text in (*study.flags, *study.remarks)]
    return lines + flag_report(study)


def flag_report(study: Study) -> list[str]:
    """Return the flags of trials; those of many trials that say the same are one line."""
    flagged: dict[str, list[int]] = defaultdict(list)
    for trial in study.rows:
        for flag in trial.flags:
            flagged[flag].append(trial.number)
    order = sorted(flagged, key=lambda flag: flag in REMARKS)
    return [f"  {spans(ranges(flagged[flag]))}: {flag}" for flag in order]


def ranges(numbers: list[int]) -> list[range]:
    """Return sorted numbers as ranges."""
    found: list[range] = []
    for number in numbers:
        if found and number <= found[-1].stop:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found


def spans(found: list[range]) -> str:
    """Return trials for reading: `trial 3`, `trials 0, 3-4`."""
    texts = [str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in found]
    one = len(found) == 1 and len(found[0]) == 1
    return f"{'trial' if one else 'trials'} {', '.join(texts)}"


def file_report(file: Findings) -> list[str]:
    """Return what a file holds besides trials, as far as it matters."""
    lines = []
    if file.unmatched.count:
        lines.append(
            f"lines about trials in no known form: {file.unmatched.count},"
            f" such as {file.unmatched.sample!r}"
        )
    if file.unstamped.count:
        lines.append(
            f"lines without a time stamp among others that have one, left out:"
            f" {file.unstamped.count}, such as {file.unstamped.sample!r}"
        )
    if file.later:
        kinds = ", ".join(f"{head} ({n})" for head, n in file.later.most_common(3))
        lines.append(f"lines of a later version passed over: {file.later.total()}: {kinds}")
    if file.dry_runs:
        lines.append(f"dry runs, not counted as trials: {file.dry_runs}")
    return lines
