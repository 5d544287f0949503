"""Search for a log that recover-trials cannot read, guided by the branches it takes.

python tests/fuzz/fuzz_recover.py [MINUTES]     (needs the extra `fuzz`)

A log must crash nothing, neither the reading nor what is written of it, and say the same in
whatever pieces it arrives. What is found is printed and kept in `crash-*`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    import atheris

    tracing: Any = atheris.instrument_imports(include=["recover_trials"])
else:
    tracing = contextlib.nullcontext()
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("recover", "templates", "tests")]
with tracing:
    import recover_samples
    from fuzz.damaged_formats import SEEDS
    from recover_trials import read_trials
    from recover_trials.errors import NoBestError, SeveralStudiesError, UnreadableError
    from recover_trials.output import WRITERS

STAMP = recover_samples.STAMP
LINES = (
    "Trial 0 finished with value: 0.5 and parameters: {'a': 1e-05, 'b': 'x'}."
    " Best is trial 0 with value: 0.5.",
    "Trial 1 finished with value: 0.25 and parameters: {'a': nan, 'b': (1, None)}."
    " Best is trial 1 with value: 0.25.",
    "Trial 2 finished with values: [0.5, -inf] and parameters: {'c': np.float64(0.1)}. ",
    "Trial 3 finished with value: {'loss': 0.1} and parameters: {}.",
    "Trial 4 pruned. at step 3",
    "Trial 5 failed with parameters: {'a': 1} because of the following error: ValueError('x').",
    "Trial 5 failed with value None.",
    "Trial 6 failed, because the objective function returned nan.",
    "Finished trial#7 with value: 0.5 with parameters: {'a': 1}. Best is trial#7 with value: 0.5.",
    "Finished trial#8 resulted in value: 0.5. Current best value is 0.5 with parameters: {'a': 1}",
    "Finished a trial resulted in value: 0.5. Current best value is 0.5 with parameters: {}.",
    "Setting status of trial#9 as TrialState.PRUNED. ",
    "Setting trial status as TrialState.FAIL because of the following error: KeyError(1)",
    "A new study created in memory with name: a",
    "Using an existing study with name 'a' instead of creating a new one.",
    "Trial 0: arch_idx=5, d_model=128, n_layers=8, params=1,847,000, lr=0.000342, epochs=50,"
    " batch=16x16, dropout=0.27",
    "  \u2192 Forced dropout=0.27 for diversity (was 0.15, prev=0.14)",
    "Trial 1 starting: device=mps, lr=0.000342, epochs=50, batch_size=32",
    "Trial 0 finished with value: 0.4521 (params: 1,847,000)",
    "Early stopping triggered at epoch 7",
    "[1/12] Starting: hpo_2B_h1.py",
    "[1/12] PASSED: hpo_2B_h1.py",
    "[2/6] Running HPO: 2B_h1",
    "Trial 3 - Testing parameters:",
    "  learning_rate: 0.0003",
    "Trial 3 completed with accuracy: 0.5",
    "Trial 3 failed with CUDA error: out of memory",
    "Traceback (most recent call last):",
    "\x1b[32m[I 2026-11-21 10:15:00,123]\x1b[0m Trial 9 pruned. \x1b[0m",
)
NOTEBOOK = (
    b'{"cells": [{"outputs": [{"name": "stdout", "text": ["Trial 4 pruned.\\n"]}]}],'
    b' "nbformat": 4}'
)
LONGEST = 8192  # bytes of an input; a database is longer


def seeds() -> Iterator[bytes]:
    """Yield a log of every kind."""
    for stamp in ("", STAMP):
        yield "".join(f"{stamp}{line}\n" for line in LINES).encode()
    yield "\r".join(STAMP + line for line in LINES[:6]).encode()
    yield "\n".join(STAMP + line for line in LINES[:6]).encode("utf-16")
    for log in (recover_samples.sample_log(), recover_samples.sample_log2()):
        yield "".join(f"{line}\n" for line in log.lines).encode()
    yield NOTEBOOK
    yield from (seed for seed in SEEDS.values() if len(seed) < LONGEST)


def known(pieces: list[bytes]) -> Any:
    """Return what is read of a log that comes in pieces."""
    try:
        recovery = read_trials([pieces])
    except UnreadableError as error:
        return str(error)
    return recover_samples.contents_of(recovery), recovery.report()


def one_input(data: bytes) -> None:
    """Read a log and write what it says; raises for anything that is wrong."""
    try:
        recovery = read_trials([io.BytesIO(data)])
    except UnreadableError:  # an invalid document
        recovery = read_trials([])
    for name, write in WRITERS.items():
        if name != "table" or len(data) % 16 == 0:  # it takes most of the time
            with contextlib.suppress(NoBestError, SeveralStudiesError):
                write(recovery)
    cut = len(data) // 2
    whole = known([data])
    parts = known([data[:cut], data[cut : cut + 7], data[cut + 7 :]])
    if whole != parts:
        raise AssertionError((whole, parts))


def marked(line: bytes) -> bytes:
    """Return a line with the closing mark that proves it whole."""
    text, _, _ = line.rpartition(b" ;")
    return text + b" ;%08x\n" % zlib.crc32(text)


def mutate(data: bytes, longest: int, seed: int) -> bytes:
    """Return a log with a line more, less, twice, elsewhere, cut or damaged."""
    return mutated(data, longest, seed, atheris.Mutate)


def with_other_bytes(data: bytes, _longest: int) -> bytes:
    """Return a text with a few other bytes, which depend on the text alone."""
    chance, changed = random.Random(zlib.crc32(data)), bytearray(data)  # noqa: S311
    for _ in range(chance.randint(1, 8) if data else 0):
        changed[chance.randrange(len(changed))] = chance.choice((0, 10, 34, 92, 123, 255))
    return bytes(changed)


def mutated(
    data: bytes, longest: int, seed: int, mutate_bytes: Callable[[bytes, int], bytes]
) -> bytes:
    """Return a mutated log."""
    chance = random.Random(seed)  # noqa: S311
    if chance.random() < 0.5:
        return bytes(mutate_bytes(data, longest))
    lines = data.splitlines(keepends=True) or [b""]
    at, to = chance.randrange(len(lines)), chance.randint(0, len(lines))
    step = chance.randrange(6)
    if step == 0:
        lines.insert(to, (chance.choice(("", STAMP)) + chance.choice(LINES) + "\n").encode())
    elif step == 1:
        lines.insert(to, lines[at])
    elif step == 2:
        lines.pop(at)
    elif step == 3:
        lines[at] = lines[at][: chance.randint(0, len(lines[at]))]
    elif step == 4:
        lines[at] = marked(bytes(mutate_bytes(lines[at], len(lines[at]) + 20)))
    else:
        lines[at] = bytes(mutate_bytes(lines[at], len(lines[at]) + 20))
    return b"".join(lines)[:longest]


def try_fixed_logs(runs: int) -> None:
    """Test logs that are the same every time; keep one that fails."""
    chance, logs = random.Random(1), [*seeds()]  # noqa: S311
    for _ in range(runs):
        data = chance.choice(logs)
        for _ in range(chance.randint(1, 4)):
            data = mutated(data, LONGEST, chance.getrandbits(32), with_other_bytes)
        try:
            one_input(data)
        except BaseException:
            Path(f"crash-{zlib.crc32(data):08x}").write_bytes(data)
            raise


def main() -> None:
    """Search for some minutes; with `--runs N`, test N logs that are the same every time."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=10)
    parser.add_argument("--runs", type=int)
    arguments = parser.parse_args()
    if arguments.runs:
        try_fixed_logs(arguments.runs)
        return
    with tempfile.TemporaryDirectory() as folder:
        for index, log in enumerate(seeds()):
            (Path(folder) / f"seed-{index}").write_bytes(log)
        told = [
            f"-max_total_time={int(60 * arguments.minutes)}",
            f"-max_len={LONGEST}",
            "-timeout=300",
            folder,
        ]
        atheris.Setup([sys.argv[0], *told], one_input, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
