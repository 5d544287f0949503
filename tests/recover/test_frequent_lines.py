"""The fast path of regular lines gives the same trials as reading each line."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recover_samples import OTHER_STUDY, SampleLog, SampleLog2, contents_of, moment
from recover_trials import read_trials, scan
from recover_trials.hpogen_log import hpogen_lines
from recover_trials.optuna_log.frequent_lines import Mention, mentions_of
from version1 import time_stamp

PARAMS = ("{'lr': 1e-05, 'n': 3}", "{}", "{'a': True, 'b': None, 'c': nan, 'd': (1, 2)}")
HOSTILE = (
    "{'a': 'it', s'}",
    "{'a': [2}",
    "{'a': \"T\"}",
    "{'a': 1} {",
    f"{{'a': {'[' * 3000}}}",
    f"{{'a': {'9' * 5000}}}",
)
OTHERS = (
    "epoch 3/50 loss=0.25",
    "Training on T4 at 2026-11-21T10:15:00",
    "Finished trial#{} with value: 0.5 with parameters: {{'x': 2}}."
    " Best is trial#0 with value: 0.5.",
    "Trial {} pruned. ",
    "\x1b[32mA new study\x1b[0m",
    "A new study created in memory with name: other",
    "[2/12] Starting: hpo_2B_h1.py",
    "Using an existing study with name 'other' instead of creating a new one.",
    "{{}}",
    "Trial {} finished with value: inf and parameters: {{'x': 1}}."
    " Best is trial 0 with value: 0.5.",
    "half a line Trial {} finished with value: 0.25 and par",
)
STARTS = (
    "Trial {}: arch_idx=5, d_model=8, n_layers=2, params=1,847,000, lr=0.000342, epochs=50,"
    " batch_size=32",
    "Trial {}: arch_idx=5, d_model=8, n_layers=2, n_heads=4, params=7, lr=0.000342, epochs=50,"
    " batch=16x16, dropout=0.27",
    "Trial {}: arch_idx=5, d_model=8, n_layers=2, params=7, lr=0.000342, epochs=5, batch_size=1 x",
    "Trial {} starting: device=mps, lr=0.000342, epochs=50, batch_size=32",
)
FORCED = "  \u2192 Forced dropout=0.27 for diversity (was 0.15, prev=0.14)"


def log_of(chance: random.Random) -> bytes:
    """Return a log of finished trials among other lines."""
    best, lines = (0, 9.0), []
    choices = PARAMS if chance.random() < 0.8 else PARAMS + HOSTILE
    for number in range(chance.randint(1, 20)):
        if chance.random() < 0.3:
            lines.append(chance.choice(OTHERS).format(number))
        if chance.random() < 0.3:
            lines += [FORCED] * chance.randint(0, 1)
            starting = chance.choice(STARTS).format(number)
            lines.append(time_stamp(moment(number), "I") + starting)
            lines += [chance.choice(OTHERS).format(number)] * (chance.random() < 0.3)
        if chance.random() < 0.1:
            lines.append(time_stamp(moment(number), "I") + f"Trial {number} pruned. ")
            continue
        value = chance.choice((0.5, 0.25, 1e-07, chance.random()))
        best = min(best, (number, value), key=lambda pair: pair[1])
        message = f"Trial {number} finished with value: {value} and parameters: "
        message += f"{chance.choice(choices)}. Best is trial {best[0]} with value: {best[1]}."
        lines.append(time_stamp(moment(number), "I") + message)
    return chance.choice(("\n", "\n", "\r\n")).join([*lines, ""]).encode()


def pieces(chance: random.Random, text: bytes) -> list[bytes]:
    """Return a text in pieces."""
    cuts = sorted(chance.randint(0, len(text)) for _ in range(chance.randint(0, 8)))
    bounds = zip([0, *cuts], [*cuts, len(text)], strict=True)
    return [text[low:high] for low, high in bounds]


def mentions_without_contents(block: bytes) -> list[Mention]:
    return [(start, None, end) for start, _, end in mentions_of(block)]


@settings(max_examples=300)
@given(st.integers(0, 2**64 - 1))
def test_the_fast_path_gives_the_same_trials_as_each_line(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    text = log_of(chance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "mentions_of", mentions_without_contents)
        expected = contents_of(read_trials([[text]]))

    assert contents_of(read_trials([[text]])) == expected
    assert contents_of(read_trials([pieces(chance, text)])) == expected


LINE = (
    b"[I 2026-11-21 10:15:00,123] Trial 7 finished with value: 0.5 and parameters: {'a': 1}."
    b" Best is trial 3 with value: 0.25.\n"
)


def test_every_regular_line_of_a_block_is_found_with_its_end() -> None:
    block = b"epoch 1\n" + LINE + b"T\n" + LINE

    lines = [mention for mention in mentions_of(block) if mention[1]]

    assert [content.number for _, content, _ in lines if content] == [7, 7]
    assert all(block[start:].startswith(b"rial 7 finished") for start, _, _ in lines)
    assert [block[end : end + 1] for _, _, end in lines] == [b"\n", b"\n"]


@pytest.mark.parametrize(
    "other",
    [
        LINE.replace(b"1}", b'"x"}'),
        LINE.replace(b"1}", b"1, 1: 2}"),
        LINE.replace(b"1}", b"1"),
        LINE.replace(b"11-21", b"13-41"),
        LINE.replace(b"11-21 10", b'11-21"10'),
        LINE[:-1],
        b"x" + LINE,
        b"[I 2026-11-21 10:15:00,123] Trial 8 pruned. [I 2026-11-21 10:15:00,123] \n",
    ],
)
def test_other_lines_are_not_regular(other: bytes) -> None:
    mentions = mentions_of(b"\n" + other)
    assert mentions
    assert not any(content for _, content, _ in mentions)


METRICS = (
    0.5,
    3,
    -1e-07,
    float("nan"),
    float("inf"),
    None,
    "text",
    'a="b", c=',
    "é",
    [1],
    1e300,
    -0.0,
)


def own_log_of(chance: random.Random) -> bytes:
    """Return the log of a search script, some of its lines damaged."""
    kind = chance.choice((SampleLog, SampleLog2))
    logs = [kind(), kind(OTHER_STUDY)]
    for log in logs:
        log.open_run()
    for number in range(chance.randint(1, 4)):
        log = chance.choice(logs)
        log.start(number)
        for epoch in range(1, chance.randint(2, 6)):
            names = chance.sample(("val_loss", "auc", "x_1"), chance.randint(0, 3))
            log.evaluate(
                number,
                chance.choice((epoch, epoch, 1)),
                **{
                    name: chance.choice(METRICS[:3] if chance.random() < 0.7 else METRICS)
                    for name in names
                },
            )
        log.end(number)
    text = bytearray("".join(f"{line}\n" for log in logs for line in log.lines), "utf-8")
    for _ in range(chance.randint(0, 2)):
        start = chance.randrange(len(text))
        text[start : start + chance.randint(0, 3)] = chance.choice(
            (b"", b"\n", b"\r\n", b"7", b"x")
        )
    return bytes(text)


@settings(max_examples=300)
@given(st.integers(0, 2**64 - 1))
def test_evaluations_in_a_block_equal_those_read_line_by_line(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    text = own_log_of(chance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hpogen_lines, "find_evaluation", lambda *_: None)
        slowly = read_trials([[text]])

    for recovery in (read_trials([[text]]), read_trials([pieces(chance, text)])):
        assert contents_of(recovery) == contents_of(slowly)
        assert recovery.problems == slowly.problems
