"""Studies and trials as they are recovered: plain data, nothing that reads or writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recover_trials.record import Record

if TYPE_CHECKING:
    from recover_trials.optuna_log.regular_lines import Parameters

TWICE = "told twice, in different ways"
STARTED_TWICE = "number started twice"
ENDED_TWICE = "ended twice, in different ways"
CUT = "parameters cut short"
START_CUT = "start line cut short"
ONLY_BEST_TOLD = "parameters unknown: its line shows those of the best trial"
BY_ORDER = "number by the order of lines: they tell none"
FORCED = "dropout was forced to another value than the study has"
UNCERTAIN = "may belong to another study of this file: their lines are mixed"
# Flags that say what a format could not tell; nothing contradicts, nothing is damaged.
REMARKS = frozenset({ONLY_BEST_TOLD, BY_ORDER, FORCED})

# What few trials have: made when it is asked for, as empty ones would be a third of the memory,
# and half of what Python searches for cycles.
RARE: dict[str, Callable[[], Any]] = {
    "user_attrs": dict,
    "intermediate_values": dict,
    "curve": dict,
    "distributions": dict,
    "system_attrs": dict,
    "flags": list,
    "run": lambda: None,
    "end": lambda: None,
}


class Trial(Record):
    """A started trial, as the study has it.

    Attributes:
        number: as the study counts, from 0.
        state: COMPLETE, PRUNED, FAIL, or RUNNING where no line tells its end.
        values: one per objective; of a pruned trial the last one that was reported, if it is told.
        datetime_start: local time, without a zone, as in Optuna; None if not told.
        datetime_complete: the same of its end.
        params: searched parameters, by name.
        user_attrs: everything else that is told: architecture, metrics, `learning_curve`.
        intermediate_values: what a pruner saw, by step.
        curve: metrics of each evaluation while the trial is read, by step.
        flags: what is wrong or uncertain about it.
    """

    FIELDS = (
        *("number", "state", "values", "datetime_start", "datetime_complete", "params"),
        *("user_attrs", "intermediate_values", "curve", "flags", "run", "end"),
        *("distributions", "system_attrs"),
    )
    __slots__ = (*FIELDS, "place", "unread")

    params: dict[str, Any]
    user_attrs: dict[str, Any]
    intermediate_values: dict[int, float]
    curve: dict[int, dict[str, Any]]
    flags: list[str]
    run: str | None  # that started it
    end: int | None  # digest of its end line, to know a repeat from another end
    distributions: dict[str, Any]  # known from storages only
    system_attrs: dict[str, Any]
    unread: Parameters  # where its parameters are, and at which place, until they are asked for
    place: int

    def __init__(
        self,
        number: int,
        state: str = "RUNNING",
        values: tuple[float, ...] = (),
        datetime_start: datetime | None = None,
        datetime_complete: datetime | None = None,
        params: dict[str, Any] | None = None,
        unread: Parameters | None = None,
        place: int = 0,
        **more: Any,
    ) -> None:
        self.number, self.state, self.values = number, state, values
        self.datetime_start, self.datetime_complete = datetime_start, datetime_complete
        if unread is None:
            self.params = {} if params is None else params
        else:
            self.unread, self.place = unread, place
        if more:
            self.fill(more)

    def __getattr__(self, name: str) -> Any:
        if name == "params":
            self.params = self.unread.of(self.place) or {}
            return self.params
        if name not in RARE:
            raise AttributeError(name)
        made: Any = RARE[name]()
        if name == "flags" and (unread := getattr(self, "unread", None)):
            made = [CUT] * (unread.of(self.place) is None)
        setattr(self, name, made)
        return made

    @property
    def value(self) -> float | None:
        """Return the value; None while there is none, or several."""
        return self.values[0] if len(self.values) == 1 else None

    @property
    def conflicts(self) -> list[str]:
        """Return the flags that tell of damage or contradiction."""
        return [flag for flag in self.flags if flag not in REMARKS]


class Study(Record):
    """The trials of one study, by number.

    Attributes:
        key: identity among the studies of a recovery.
        name: as the study or its script is called; else the file.
        source: file in which it was met first.
        experiment: script or experiment that a runner's banner named.
        about: fields of the run line of a search script; empty for other logs.
        runs: the same of each run, by its id.
        trials: what was told of each number; more than one where it was told in different ways.
        told: best trials that lines named, with their values, in the order of the lines.
        flags: what is wrong with the study as a whole.
        remarks: what is worth knowing and not wrong.
        resumed: the log says that there were trials before its own.
    """

    FIELDS = (
        *("key", "name", "source", "about", "runs", "trials", "told", "experiment", "flags"),
        *("remarks", "resumed", "told_name", "resumes", "lower_is_better", "higher_is_better"),
    )
    __slots__ = FIELDS

    def __init__(
        self, key: str, name: str, source: str, about: dict[str, Any] | None = None, **more: Any
    ) -> None:
        self.key, self.name, self.source = key, name, source
        self.about = {} if about is None else about
        self.runs: dict[str, dict[str, Any]] = {}
        self.trials: dict[int, list[Trial]] = {}
        self.told: dict[int, float] = {}
        self.experiment: str | None = None
        self.flags: list[str] = []
        self.remarks: list[str] = []
        self.resumed = False
        self.told_name = ""  # by Optuna's line
        self.resumes = False  # a script of its own that goes on with an experiment
        self.lower_is_better = False  # seen in lines that name the best trial
        self.higher_is_better = False
        self.fill(more)

    @property
    def rows(self) -> list[Trial]:
        """Return every trial, by number; a number told in two ways has two."""
        return [trial for number in sorted(self.trials) for trial in self.trials[number]]

    @property
    def direction(self) -> str | None:
        """Return `minimize` or `maximize`; None if no line tells, or lines contradict."""
        if stated := self.about.get("direction"):
            return str(stated)
        if self.lower_is_better == self.higher_is_better:
            return None
        return "minimize" if self.lower_is_better else "maximize"

    @property
    def direction_inferred(self) -> bool:
        """Tell whether the direction is inferred from which trial lines call the best."""
        return self.direction is not None and not self.about.get("direction")

    @property
    def told_best(self) -> tuple[int, float] | None:
        """Return number and value of the best trial that lines name, its own line here or not."""
        if not self.told:
            return None
        if self.direction is None:
            return next(reversed(self.told.items()))
        sign = -1 if self.direction == "maximize" else 1
        return min(self.told.items(), key=lambda item: sign * item[1])

    @property
    def best(self) -> Trial | None:
        """Return the best finished trial.

        None without one, without one value to compare, if nothing tells the direction, or if the
        best trial's own line is not in the log: see `told_best`.
        """
        finished = [
            trial
            for told in self.trials.values()
            for trial in told
            if len(trial.values) == 1 and trial.state == "COMPLETE"
        ]
        number, value = self.told_best or (None, None)
        if self.direction is None:
            return next((t for t in finished if (t.number, t.value) == (number, value)), None)
        sign = -1 if self.direction == "maximize" else 1
        best = self.first_best(finished)
        if value is not None and number not in self.trials:
            beaten = best is None or sign * value < sign * (best.value or 0.0)
            return None if beaten else best
        return best

    def first_best(self, finished: list[Trial]) -> Trial | None:
        """Return the first of the trials with the best value."""
        if not finished:
            return None
        values = [trial.values[0] for trial in finished]
        best = max(values) if self.direction == "maximize" else min(values)
        same = [t for t, value in zip(finished, values, strict=True) if value == best]
        return min(same or finished[:1], key=lambda trial: trial.number)

    @property
    def starts_at(self) -> int:
        """Return the number its lines begin with; above 0 if earlier trials are in no log."""
        first = min(self.trials, default=0)
        return first if self.resumed or not self.about else 0

    @property
    def unfinished(self) -> list[int]:
        """Return the numbers of trials that started and did not end."""
        return [trial.number for trial in self.rows if trial.state == "RUNNING"]

    def trial(self, number: int, start: datetime | None, run: str | None = None) -> Trial:
        """Return the trial of a number; a number that was started twice has two."""
        told = self.trials.setdefault(number, [])
        for trial in told:
            if agree(trial.datetime_start, start) and agree(trial.run, run):
                return trial
        told.append(Trial(number, flags=[STARTED_TWICE] if told else []))
        return told[-1]

    def counts(self) -> dict[str, int]:
        """Return how many trials are in each state."""
        return dict(Counter(trial.state for trial in self.rows))

    def gaps(self) -> list[range]:
        """Return the numbers between its first and its highest of which no line was found."""
        numbers = sorted(self.trials)
        between = zip([self.starts_at - 1, *numbers], numbers, strict=False)
        return [range(low + 1, high) for low, high in between if high - low > 1]


def agree(known: object, told: object) -> bool:
    """Tell whether two values are the same as far as they are known."""
    return known is None or told is None or known == told
