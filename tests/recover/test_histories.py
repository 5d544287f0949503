"""Any history, told in any way, damaged in any way: no crash, no false row, nothing lost.

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
class Told:
    """What a history says of a trial, and its lines."""

    number: int
    state: str
    values: tuple[float, ...] = ()
    params: dict[str, Any] | None = None
    lines: list[str] = field(default_factory=list)

    def agrees(self, row: Trial) -> bool:
        """Tell whether a row says nothing that was not written."""
        if (row.number, row.state) != (self.number, self.state):
            return False
        known = row.params.items() if row.params else ()
        params = self.params or {}
        return row.values == self.values and all(repr(params.get(k)) == repr(v) for k, v in known)


def history(chance: random.Random, version: str, after: float = 0.0) -> list[Told]:
    """Return a study's trials with the lines that a version of Optuna prints.

    They end `after` so many seconds of each minute.
    """
    best: tuple[int, float] | None = None
    found = []
    for number in range(chance.randint(1, 6)):
        params = {f"p{i} 'x": chance.choice(ANY) for i in range(chance.randint(0, 3))}
        stamp = time_stamp(moment(60 * number + after + chance.random()), "I")
        state = chance.choice(("COMPLETE", "COMPLETE", "PRUNED", "FAIL"))
        if state == "COMPLETE":
            value = chance.choice(VALUES)
            best = min(best or (number, value), (number, value), key=lambda pair: pair[1])
            told = Told(number, state, (value,), params)
            told.lines = [stamp + finished(version, number, value, params, best)]
        elif state == "PRUNED":
            told = Told(number, state, lines=[f"{stamp}{PRUNED[version].format(number)}"])
        else:
            error = repr(RuntimeError(chance.choice(HOSTILE_TEXTS)))
            told = Told(number, state, (), params if version == "5" else None)
            told.lines = [stamp + line for line in failed(version, number, params, error)]
        found.append(told)
    return found


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
        told = f"Finished trial#{number} with value: {value} with parameters: {params}."
        return f"{told} Best is trial#{best[0]} with value: {best[1]}."
    told = f"Trial {number} finished with value: {value} and parameters: {params}."
    return f"{told} Best is trial {best[0]} with value: {best[1]}."


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
    """Return lines amid others."""
    found = []
    for line in lines:
        found += chance.choices(NOISE, k=chance.randint(0, 2))
        found.append(line)
    return found


def created(name: str) -> str:
    """Return the line of a new study."""
    return f"{time_stamp(moment(0), 'I')}A new study created in memory with name: {name}"


def rows_of(recovery: Recovery) -> list[Trial]:
    """Return the rows of all studies."""
    return [row for study in recovery.studies for row in study.rows]


def assert_told(rows: list[Trial], told: list[Told]) -> None:
    """Compare rows with what was written, in order, exactly."""
    assert [row.number for row in rows] == [trial.number for trial in told]
    for row, trial in zip(rows, told, strict=True):
        assert trial.agrees(row), (row, trial)
        assert row.flags == []
        if trial.params is not None:
            assert repr(row.params) == repr(trial.params)


@settings(max_examples=EXAMPLES)
@given(SEEDS, st.sampled_from(sorted(PRUNED)))
def test_what_optuna_says_amid_other_output_is_read_as_it_was(seed: int, version: str) -> None:
    chance = random.Random(seed)  # noqa: S311
    told = history(chance, version)
    lines = [line for trial in told for line in trial.lines]

    assert_told(rows_of(recover(noisy(chance, lines))), told)
    assert_told(rows_of(recover(lines, lines)), told)


@settings(max_examples=EXAMPLES)
@given(SEEDS, st.sampled_from(sorted(PRUNED)))
def test_a_log_that_is_cut_anywhere_has_no_false_row(seed: int, version: str) -> None:
    chance = random.Random(seed)  # noqa: S311
    told = history(chance, version)
    text = "".join(f"{line}\n" for line in noisy(chance, [ln for t in told for ln in t.lines]))
    cut = chance.randint(0, len(text))

    rows = rows_of(recover(text[:cut]))

    whole = [t.number for t in told if all(f"{line}\n" in text[:cut] for line in t.lines)]
    assert {*whole} <= {row.number for row in rows}
    assert len({row.number for row in rows}) == len(rows)
    for row in rows:
        assert any(trial.agrees(row) for trial in told), row


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_a_torn_line_does_not_hide_the_next(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    told = history(chance, "5")
    torn = history(chance, "5")[0].lines[0].replace("Trial 0", "Trial 99")
    lines = [line for trial in told for line in trial.lines]
    lines[0] = torn[: chance.randint(0, len(torn) - 3)] + lines[0]

    rows = {row.number: row for row in rows_of(recover(lines)) if row.number != 99}

    assert [*rows] == [trial.number for trial in told]
    assert all(trial.agrees(rows[trial.number]) for trial in told)


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_logs_one_behind_the_other_are_studies_of_their_own(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    told = [history(chance, "5") for _ in range(2)]
    lines = [
        [created(name), *(line for trial in trials for line in trial.lines)]
        for name, trials in zip("ab", told, strict=True)
    ]

    for recovery in (recover(lines[0] + lines[1]), recover(*lines)):
        assert [study.name for study in recovery.studies] == ["a", "b"]
        for study, trials in zip(recovery.studies, told, strict=True):
            assert_told(study.rows, trials)


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_lines_of_two_writers_lose_no_trial_and_make_none(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    told = [history(chance, "5", after) for after in (0.0, 30.0)]
    queues = [
        [created(name), *(line for trial in trials for line in trial.lines)]
        for name, trials in zip("ab", told, strict=True)
    ]
    lines = []
    while queues[0] or queues[1]:
        lines.append(chance.choice([queue for queue in queues if queue]).pop(0))

    rows = rows_of(recover(noisy(chance, lines)))

    every = told[0] + told[1]
    assert len(rows) == len(every)
    for trial in every:
        assert any(trial.agrees(row) for row in rows), trial
    for row in rows:
        assert any(trial.agrees(row) for trial in every), row


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_changed_bytes_crash_nothing_and_hide_no_other_line(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    told = history(chance, chance.choice(sorted(PRUNED)))
    lines = [line.encode() for trial in told for line in trial.lines]
    changed = chance.randrange(len(lines))
    line = bytearray(lines[changed])
    for _ in range(chance.randint(1, 5)):
        line[chance.randrange(len(line))] = chance.randrange(32, 256)
    damaged = [*lines[:changed], bytes(line), *lines[changed + 1 :]]

    rows = rows_of(recover(b"\n".join(damaged) + b"\n"))

    for trial in told:
        if lines[changed].decode() not in trial.lines:
            assert any(trial.agrees(row) for row in rows), trial


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_our_own_lines_damaged_anywhere_tell_nothing_false(seed: int) -> None:
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
