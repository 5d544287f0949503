"""Recovered studies and trials: plain data, without input or output."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

CONFLICTING = "two lines about this trial differ"
STARTED_TWICE = "number started twice"
ENDED_TWICE = "two end lines differ"
CUT = "parameters cut short"
ERROR_CUT = "error cut short"
START_CUT = "start line cut short"
ONLY_BEST_SHOWN = "parameters unknown: its line shows those of the best trial"
NUMBERED_BY_ORDER = "number taken from the order of the lines, which hold none"
FORCED = "dropout was forced to another value than the study has"
FIELDS_DIFFER = "has not the fields of the other rows: lines may be lost"
NUMBER_TWICE = "two rows of the database have this number"
NUMBER_MISSING = "number missing in the database: taken from the order of the trials"
ROWS_LOST = "{0} may be missing: rows of the database are damaged"
STEPS_BACK = "its steps are repeated or not in order: it was resumed, or lines were moved"
VALUE_CUT = "its value has fewer digits than others: it may be cut"
MINIMUM_DIFFERS = "the log names another minimum than its measurements: lines are lost or moved"
VALUE_MISSING = "finished, but its value is missing"
RANK_TWICE = "another entry has its rank"
RANK_DIFFERS = "its rank contradicts its value"
DOMINATED = "another entry of the Pareto front is better"
SCORE_OUT_OF_RANGE = "its value is a score, and not between 0 and 1"
NUMBER_UNCERTAIN = "number uncertain: a damaged line before it may have created a trial"
UNCERTAIN = "may belong to another study of this file: their lines are mixed"
# Attributes of trials in a storage whose times the log did not hold.
NO_START, NO_END = "start_unknown", "end_unknown"
SHARED_COLUMNS = ("budget", "horizon", "task")  # the same for all trials of a study

NOT_LITERALS = "parameters left out, for their values are not literals: "  # their names follow

# Flags for limits of a format: they mean neither damage nor a conflict.
REMARKS = frozenset({ONLY_BEST_SHOWN, NUMBERED_BY_ORDER, FORCED})


def is_remark(flag: str) -> bool:
    """Return whether a flag means neither damage nor a conflict."""
    return flag in REMARKS or flag.startswith(NOT_LITERALS)


@dataclass(slots=True)
class Trial:
    """A trial that started.

    Attributes:
        number: position in the study, from 0.
        state: COMPLETE, PRUNED, FAIL, or RUNNING if the log has no end line.
        values: one per objective; of a pruned trial its last reported value, where logged.
        datetime_start: local time without a zone, as in Optuna; None if not logged.
        datetime_complete: the same for the end.
        params: searched parameters, by name.
        user_attrs: everything else: architecture, metrics, `learning_curve`.
        intermediate_values: values reported to the pruner, by step.
        curve: metrics of each evaluation, by step, while the log is read.
        flags: damage, conflicts and uncertainties.
        run: id of the run that trained it last.
        end: digest of its end line, which distinguishes a duplicate from a conflict.
        distributions: in JSON; only storages hold them.
        system_attrs: attributes that samplers and pruners set.
    """

    number: int
    state: str = "RUNNING"
    values: tuple[float, ...] = ()
    datetime_start: datetime | None = None
    datetime_complete: datetime | None = None
    params: dict[str, Any] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)
    intermediate_values: dict[int, float] = field(default_factory=dict)
    curve: dict[int, dict[str, Any]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    run: str | None = None
    end: int | None = None
    distributions: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> float | None:
        """The value of a trial with one objective; otherwise None."""
        return self.values[0] if len(self.values) == 1 else None

    @property
    def rerun_of(self) -> int | None:
        """The trial that was trained again with another seed because it was among the best."""
        number = self.user_attrs.get("rerun_of")
        return number if type(number) is int else None

    @property
    def conflicts(self) -> list[str]:
        """Flags that mean damage or a conflict."""
        return [flag for flag in self.flags if not is_remark(flag)]


@dataclass(slots=True)
class Study:
    """The trials of one study, by number.

    Attributes:
        key: identity within a recovery.
        name: name of the study or its script; otherwise of the file.
        source: the first file that mentions it.
        about: fields of the run line of an hpogen script; empty for other logs.
        runs: the same for each run, by its id.
        trials: by number; more than one row where lines conflict.
        named_bests: best trials that lines name, with their values, in the order of the log.
        experiment: script or experiment that a runner's banner names.
        flags: damage and conflicts of the study as a whole.
        remarks: facts for the report that are not faults.
        resumed: the log shows that earlier trials exist.
        optuna_name: name in Optuna's line, or empty.
        resumes_experiment: a script of its own resumes an experiment.
        lower_is_better: seen in lines that name the best trial.
        higher_is_better: the same for the other direction.
        ranges: distributions that the user states, as Optuna's JSON has them.
        selected: the trials to write, in their order; None for all.
        front: columns of the Pareto front that `selected` is, else empty.
        test_result: fields of the last line about the test split; empty but for final scripts.
    """

    key: str
    name: str
    source: str
    about: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    trials: dict[int, list[Trial]] = field(default_factory=dict)
    named_bests: dict[int, float] = field(default_factory=dict)
    experiment: str | None = None
    flags: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    resumed: bool = False
    optuna_name: str = ""
    resumes_experiment: bool = False
    lower_is_better: bool = False
    higher_is_better: bool = False
    selected: list[Trial] | None = None
    front: list[str] = field(default_factory=list)
    ranges: dict[str, Any] = field(default_factory=dict)
    test_result: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> list[Trial]:
        """Every trial, by number, or the selected ones; a conflict has several rows."""
        if self.selected is not None:
            return self.selected
        return [trial for number in sorted(self.trials) for trial in self.trials[number]]

    @property
    def direction(self) -> str | None:
        """`minimize` or `maximize`; None if the log does not show it."""
        if stated := self.about.get("direction"):
            return str(stated)
        if self.lower_is_better == self.higher_is_better:
            return None
        return "minimize" if self.lower_is_better else "maximize"

    @property
    def direction_inferred(self) -> bool:
        """Whether the direction comes from the best trials that lines name, not from a field."""
        return self.direction is not None and not self.about.get("direction")

    @property
    def named_best(self) -> tuple[int, float] | None:
        """Number and value of the best trial, from the lines that name one.

        The trial's own line may be missing.
        """
        if not self.named_bests:
            return None
        if self.direction is None:
            return next(reversed(self.named_bests.items()))
        sign = -1 if self.direction == "maximize" else 1
        return min(self.named_bests.items(), key=lambda item: sign * item[1])

    @property
    def best(self) -> Trial | None:
        """The best finished trial that is no rerun.

        None if no trial finished, if trials have several values, if the direction is unknown, or
        if the best trial's own line is missing: see `named_best`.
        """
        finished = [
            trial
            for trials in self.trials.values()
            for trial in trials
            if len(trial.values) == 1 and trial.state == "COMPLETE" and trial.rerun_of is None
        ]
        number, value = self.named_best or (None, None)
        if self.direction is None:
            return next((t for t in finished if (t.number, t.value) == (number, value)), None)
        sign = -1 if self.direction == "maximize" else 1
        best = self.first_best(finished)
        if value is not None and not self.finished_rows(number):
            beaten = best is None or sign * value < sign * (best.value or 0.0)
            return None if beaten else best
        return best

    def finished_rows(self, number: int | None) -> list[Trial]:
        """Return the finished rows of a trial."""
        return [row for row in self.trials.get(number or 0, ()) if row.state == "COMPLETE"]

    def first_best(self, finished: list[Trial]) -> Trial | None:
        """Return the trial with the best value, the lowest number among equals."""
        if not finished:
            return None
        values = [trial.values[0] for trial in finished]
        best = max(values) if self.direction == "maximize" else min(values)
        equal = [t for t, value in zip(finished, values, strict=True) if value == best]
        return min(equal or finished[:1], key=lambda trial: trial.number)

    @property
    def starts_at(self) -> int:
        """The lowest number of the logs; above 0 if no log holds the earlier trials."""
        first = min(self.trials, default=0)
        return first if self.resumed or not self.about else 0

    def trial(self, number: int, start: datetime | None, run: str | None = None) -> Trial:
        """Return the row of a trial; add it if no row has this start and run."""
        rows = self.trials.setdefault(number, [])
        for trial in rows:
            if compatible(trial.datetime_start, start) and compatible(trial.run, run):
                return trial
        rows.append(Trial(number, flags=[STARTED_TWICE] if rows else []))
        return rows[-1]

    def counts(self) -> dict[str, int]:
        return dict(Counter(trial.state for trial in self.rows))

    def gaps(self) -> list[range]:
        """Return the numbers without a line, from the first to the highest."""
        numbers = sorted(self.trials)
        between = zip([self.starts_at - 1, *numbers], numbers, strict=False)
        return [range(low + 1, high) for low, high in between if high - low > 1]


def forget_invented_times(trial: Trial) -> None:
    """Remove the times of a storage that its attributes name as unknown."""
    if trial.user_attrs.pop(NO_START, None) is True:
        trial.datetime_start = None
    if trial.user_attrs.pop(NO_END, None) is True:
        trial.datetime_complete = None


def compatible(one: object, other: object) -> bool:
    """Return whether two values are equal, or one of them is unknown (None)."""
    return one is None or other is None or one == other
