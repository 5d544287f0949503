"""Random studies, logged by any version and damaged anywhere: no crash, no false or lost row.

RECOVER_FUZZ=100000 python -m pytest tests/recover/test_histories.py
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from recover_samples import HOSTILE_TEXTS, OTHER_STUDY, STUDY, SampleLog, moment, recover
from recover_trials import Recovery, Trial
from version1 import time_stamp

EXAMPLES = int(os.environ.get("RECOVER_FUZZ", "700"))
SEEDS = st.integers(0, 2**64 - 1)
VALUES = (0.5, -0.25, 1e-05, 1.5e300, 5e-324, float("inf"), float("-inf"), 3.0, 0.1 + 0.2)
ANY = (
    *VALUES,
    *HOSTILE_TEXTS,
    None,
    True,
    False,
    7,
    -3,
    (1, 2),
    [0.5],
    {"a": {"b": 1}},
    "",
    "nan",
)
NOISE = (
    "epoch 3/50 loss=0.25",
    " 50%|#####     | 1/2 [00:01<00:01,  1.2it/s]\r100%|##########| 2/2 [00:02<00:00]",
    "Traceback (most recent call last):",
    '  File "a.py", line 3, in objective',
    "ValueError: Trial 9 pruned.",
    "\x1b[32mgreen\x1b[0m",
    "",
    "[W 2026-11-21 10:15:00,123] Choices for a categorical distribution should be a tuple",
    "material 12, serial 5; trial and error",
)


@dataclass
class WrittenTrial:
    """A trial of a random study, and the lines about it."""

    number: int
    state: str
    values: tuple[float, ...] = ()
    params: dict[str, Any] | None = None
    lines: list[str] = field(default_factory=list)

    def matches(self, row: Trial) -> bool:
        """Return whether a row has the state and values of the trial, and no other parameters."""
        if (row.number, row.state) != (self.number, self.state):
            return False
        params = self.params or {}
        same_params = all(repr(params.get(k)) == repr(v) for k, v in row.params.items())
        return row.values == self.values and same_params


def history(chance: random.Random, version: str, after: float = 0.0) -> list[WrittenTrial]:
    """Return a random study with the lines that a version of Optuna prints.

    Trial n ends between `after` and `after` + 1 seconds of minute n.
    """
    best: tuple[int, float] | None = None
    trials = []
    for number in range(chance.randint(1, 6)):
        params = {f"p{i} 'x": chance.choice(ANY) for i in range(chance.randint(0, 3))}
        stamp = time_stamp(moment(60 * number + after + chance.random()), "I")
        state = chance.choice(("COMPLETE", "COMPLETE", "PRUNED", "FAIL"))
        if state == "COMPLETE":
            value = chance.choice(VALUES)
            best = min(best or (number, value), (number, value), key=lambda pair: pair[1])
            trial = WrittenTrial(number, state, (value,), params)
            trial.lines = [stamp + finished(version, number, value, params, best)]
        elif state == "PRUNED":
            trial = WrittenTrial(number, state, lines=[f"{stamp}{PRUNED[version].format(number)}"])
        else:
            error = repr(RuntimeError(chance.choice(HOSTILE_TEXTS)))
            trial = WrittenTrial(number, state, (), params if version == "5" else None)
            trial.lines = [stamp + line for line in failed(version, number, params, error)]
        trials.append(trial)
    return trials


PRUNED = {
    "5": "Trial {} pruned. ",
    "2": "Trial {} pruned. at step 3",
    "1.5": "Setting status of trial#{} as TrialState.PRUNED. ",
}


def finished(
    version: str, number: int, value: float, params: dict[str, Any], best: tuple[int, float]
) -> str:
    """Return the message on a finished trial."""
    if version == "1.5":
        message = f"Finished trial#{number} with value: {value} with parameters: {params}."
        return f"{message} Best is trial#{best[0]} with value: {best[1]}."
    message = f"Trial {number} finished with value: {value} and parameters: {params}."
    return f"{message} Best is trial {best[0]} with value: {best[1]}."


def failed(version: str, number: int, params: dict[str, Any], error: str) -> Iterator[str]:
    """Yield the messages on a failed trial."""
    because = f"because of the following error: {error}"
    if version == "5":
        yield f"Trial {number} failed with parameters: {params} {because}."
        yield f"Trial {number} failed with value None."
    elif version == "2":
        yield f"Trial {number} failed {because}"
    else:
        yield f"Setting status of trial#{number} as TrialState.FAIL {because}"


def noisy(chance: random.Random, lines: list[str]) -> list[str]:
    """Return lines mixed with lines of other programs."""
    mixed = []
    for line in lines:
        mixed += chance.choices(NOISE, k=chance.randint(0, 2))
        mixed.append(line)
    return mixed


def created(name: str) -> str:
    """Return the line of a new study."""
    return f"{time_stamp(moment(0), 'I')}A new study created in memory with name: {name}"


def rows_of(recovery: Recovery) -> list[Trial]:
    """Return the rows of all studies."""
    return [row for study in recovery.studies for row in study.rows]


def assert_same(rows: list[Trial], trials: list[WrittenTrial]) -> None:
    """Assert that rows equal the written trials, in their order."""
    assert [row.number for row in rows] == [trial.number for trial in trials]
    for row, trial in zip(rows, trials, strict=True):
        assert trial.matches(row), (row, trial)
        assert row.flags == []
        if trial.params is not None:
            assert repr(row.params) == repr(trial.params)


@settings(max_examples=EXAMPLES)
@given(SEEDS, st.sampled_from(sorted(PRUNED)))
def test_lines_of_optuna_among_other_output_are_read_exactly(seed: int, version: str) -> None:
    chance = random.Random(seed)  # noqa: S311
    trials = history(chance, version)
    lines = [line for trial in trials for line in trial.lines]

    assert_same(rows_of(recover(noisy(chance, lines))), trials)
    assert_same(rows_of(recover(lines, lines)), trials)


@settings(max_examples=EXAMPLES)
@given(SEEDS, st.sampled_from(sorted(PRUNED)))
def test_a_log_that_is_cut_anywhere_has_no_false_row(seed: int, version: str) -> None:
    chance = random.Random(seed)  # noqa: S311
    trials = history(chance, version)
    text = "".join(f"{line}\n" for line in noisy(chance, [ln for t in trials for ln in t.lines]))
    cut = chance.randint(0, len(text))

    rows = rows_of(recover(text[:cut]))

    whole = [t.number for t in trials if all(f"{line}\n" in text[:cut] for line in t.lines)]
    assert {*whole} <= {row.number for row in rows}
    assert len({row.number for row in rows}) == len(rows)
    for row in rows:
        assert any(trial.matches(row) for trial in trials), row


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_a_cut_line_does_not_hide_the_next_one(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    trials = history(chance, "5")
    torn = history(chance, "5")[0].lines[0].replace("Trial 0", "Trial 99")
    lines = [line for trial in trials for line in trial.lines]
    lines[0] = torn[: chance.randint(0, len(torn) - 3)] + lines[0]

    rows = {row.number: row for row in rows_of(recover(lines)) if row.number != 99}

    assert [*rows] == [trial.number for trial in trials]
    assert all(trial.matches(rows[trial.number]) for trial in trials)


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_concatenated_logs_are_separate_studies(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    histories = [history(chance, "5") for _ in range(2)]
    lines = [
        [created(name), *(line for trial in trials for line in trial.lines)]
        for name, trials in zip("ab", histories, strict=True)
    ]

    for recovery in (recover(lines[0] + lines[1]), recover(*lines)):
        assert [study.name for study in recovery.studies] == ["a", "b"]
        for study, trials in zip(recovery.studies, histories, strict=True):
            assert_same(study.rows, trials)


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_lines_of_two_writers_keep_every_trial(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    histories = [history(chance, "5", after) for after in (0.0, 30.0)]
    queues = [
        [created(name), *(line for trial in trials for line in trial.lines)]
        for name, trials in zip("ab", histories, strict=True)
    ]
    lines = []
    while queues[0] or queues[1]:
        lines.append(chance.choice([queue for queue in queues if queue]).pop(0))

    rows = rows_of(recover(noisy(chance, lines)))

    every = histories[0] + histories[1]
    assert len(rows) == len(every)
    for trial in every:
        assert any(trial.matches(row) for row in rows), trial
    for row in rows:
        assert any(trial.matches(row) for trial in every), row


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_changed_bytes_do_not_hide_other_lines(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    trials = history(chance, chance.choice(sorted(PRUNED)))
    lines = [line.encode() for trial in trials for line in trial.lines]
    changed = chance.randrange(len(lines))
    line = bytearray(lines[changed])
    for _ in range(chance.randint(1, 5)):
        line[chance.randrange(len(line))] = chance.randrange(32, 256)
    damaged = [*lines[:changed], bytes(line), *lines[changed + 1 :]]

    rows = rows_of(recover(b"\n".join(damaged) + b"\n"))

    for trial in trials:
        if lines[changed].decode() not in trial.lines:
            assert any(trial.matches(row) for row in rows), trial


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_damaged_lines_of_hpogen_give_no_false_row(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    log, values = SampleLog(), {}
    log.open_run()
    for number in range(3):
        values[number] = chance.choice(VALUES)
        log.start(number)
        log.evaluate(number, 1, val_loss=values[number], text=chance.choice(HOSTILE_TEXTS))
        log.end(number, value=values[number], text=chance.choice(HOSTILE_TEXTS))
    other = SampleLog(OTHER_STUDY)
    other.end(0, value=-1.0)
    lines = [line.encode() for line in [*log.lines[:5], *other.lines, *log.lines[5:]]]
    text = bytearray(b"\n".join(lines))
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text))
        text[start : start + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))

    for study in recover(bytes(text)).studies:
        for row in study.rows:
            assert study.key in (STUDY, OTHER_STUDY)
            assert row.value in (None, values[row.number] if study.key == STUDY else -1.0)
            assert row.params.get("dropout", 0.1) == 0.1
