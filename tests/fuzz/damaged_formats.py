"""Damage to files of every format that comes without checksums: no crash, no false row.

python tests/fuzz/damaged_formats.py [INPUTS [FORMAT ...]]

Lines are cut, dropped, repeated, exchanged and glued, and bytes that are no text are put between
them. A row without a flag must be a row of the whole file.
"""

from __future__ import annotations

import gzip
import html
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("recover", "templates", "tests")]

from recover_trials import UnreadableError, read_trials  # noqa: E402
from recover_trials.model import NUMBERED_BY_ORDER  # noqa: E402
from recover_trials.output import to_csv, to_jsonl  # noqa: E402

STAMP = "[I 2026-11-21 10:15:{0:02},123] "
PARAMS = "{{'lr': 0.00{0}, 'note': \"it's {0}\", 'act': 'größe'}}"
BEST = "Best is trial 1 with value: 0.125."
MESSAGES = (
    "A new study created in memory with name: abc",
    *(
        f"Trial {n} finished with value: 0.{n}125 and parameters: {PARAMS.format(n)}. {BEST}"
        for n in range(1, 5)
    ),
    "Trial 5 pruned. ",
    f"Trial 6 failed with parameters: {PARAMS.format(6)} because of the following error: V('x').",
    "Trial 6 failed with value None.",
    "Trial 7 finished with value: 0.5 and parameters: {'opt': <class 'a.B'>, 'n': 7}. " + BEST,
    "Asked trial 8 with parameters {'lr': 0.25}.",
    "Told trial 8 with values [0.75] and state None.",
)
LINES = [STAMP.format(second) + message for second, message in enumerate(MESSAGES)]
TEXT = "".join(f"{line}\n" for line in LINES)
JOURNAL = "".join(
    json.dumps({"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": None})
    + "\n"
    + json.dumps({"op_code": 5, "worker_id": "w", "trial_id": n, "param_name": "x",
                  "param_value_internal": n / 8, "distribution": json.dumps(
                      {"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 9.0}})})
    + "\n"
    + json.dumps({"op_code": 6, "worker_id": "w", "trial_id": n, "state": 1, "values": [n / 4],
                  "datetime_complete": "2026-11-21T10:16:00"})
    + "\n"
    for n in range(8)
)  # fmt: skip

YAML = """- datetime_complete: '2026-11-21 10:16:0{0}'
  datetime_start: '2026-11-21 10:15:0{0}'
  duration: '0:01:00.{0}'
  number: {0}
  params:
    act: relu
    lr: 0.0{0}1
  state: COMPLETE
  user_attrs:
    d_model: 6{0}
  value: 0.{0}25
"""

NANOCHAT = "".join(
    f'Model config:\n{{\n  "n_layer": {depth},\n  "window_pattern": "SSSL"\n}}\n'
    f"total                   : 28{depth},261,730\nCalculated number of iterations: 40\n"
    + "".join(
        f"Step {step:05d} | Validation bpb: {3 / depth - step / 1000:.6f}\n"
        f"step {step:05d}/00040 ({step / 0.4:.2f}%) | loss: {9 - step / depth:.6f} | lrm: 1.00"
        f" | dt: 1000.00ms | tok/sec: 524,288 | total time: {step / 60:.2f}m | eta: 0.3m\n"
        for step in range(0, 40, 10)
    )
    + f"Step 00040 | Validation bpb: {2.5 / depth:.6f}\nPeak memory usage: 7276.65MiB\n"
    f"Total training time: 0.30m\nMinimum validation bpb: {2.5 / depth:.6f}\n"
    for depth in (3, 4)
)
RECORDS = "".join(
    f"params wte=1000 total=28{depth}261730\n"
    + "".join(
        f"eval step={step} val_bpb={3 / depth - step / 1000:.6f}\n"
        f"step {step:05d}/00040 ({step / 0.4:.2f}%) | loss: {9 - step / depth:.6f} | lrm: 1.00\n"
        for step in range(0, 40, 10)
    )
    + f"eval step=40 val_bpb={2.5 / depth:.6f}\ncore step=40 core=0.0{depth}1\n"
    f"Minimum validation bpb: {2.5 / depth:.6f}\n"
    f"summary model_tag=d{depth} depth={depth} num_iterations=40 train_time_sec=31.5"
    f" val_bpb={2.5 / depth:.6f} core=0.0{depth}1 peak_vram_mib=999\n"
    for depth in (3, 4)
)
MODDED = (
    "import os\nclass Hyperparameters:\n    # data\n    files = 'a/*.bin' # input\n"
    "    schedule : str = 'linear'\nargs = Hyperparameters()\n"
    f"{'=' * 100}\n"
    + "".join(
        f"step:{step}/30 val_loss:{10 - step / 7:.4f} train_time:{step}31ms step_avg:95.43ms\n"
        f"step:{step + 5}/30 train_time:{step + 5}21ms step_avg:95.43ms\n"
        for step in range(0, 30, 5)
    )
    + "step:30/30 val_loss:3.2782 train_time:3000ms step_avg:95.43ms\n"
    "peak memory allocated: 30000 MiB reserved: 40000 MiB\n"
)
NANOGPT = "".join(
    "Overriding config with config/small.py:\nbatch_size = 64\nmax_iters = 40\n\n"
    "Overriding: n_layer = 4\nnumber of parameters: 10.65M\n"
    + "".join(
        f"step {step}: train loss {4 - step / 40:.4f}, val loss {4 - step / 4 / depth / 10:.4f}\n"
        f"iter {step}: loss {4 - step / 41:.4f}, time {step + depth}1.99ms, mfu 18.00%\n"
        for step in range(0, 50, 10)
    )
    for depth in (3, 4)
)
TRAINER = "".join(
    f"{{'loss': {3 - epoch / 8 - run / 16}, 'learning_rate': 0.1, 'epoch': {epoch}.0}}\n"
    f"{{'eval_loss': {3 - epoch / 8 - run / 32}, 'eval_runtime': 3.5, 'epoch': {epoch}.0}}\n"
    + f"{{'train_runtime': 9{run}.5, 'train_loss': 2.5, 'epoch': {epoch}.0}}\n"
    * (epoch == 4)
    for run in (0, 1)
    for epoch in range(1, 5)
)
LLM_C = "".join(
    f"s:{step} tel:{11 - step / 9 - run / 99:.4f}\n"
    f"s:{step} trl:{11 - step / 9:.4f} lr:0.00{step} norm:15.{step}\n"
    for run in (0, 1)
    for step in range(10, 50, 10)
)
AUTORESEARCH = "".join(
    f"step 00010 (3.1%) | loss: 5.{n} | lrm: 1.00 | dt: 300ms | mfu: 39.8% | remaining: 290s  \n"
    f"---\nval_bpb:          0.99{n}900\ntraining_seconds: 300.{n}\ntotal_seconds:    325.9\n"
    f"peak_vram_mb:     45060.2\nnum_params_M:     50.3\ndepth:            8\n"
    for n in range(4)
)


def of_records(name: str) -> str:
    return "".join(
        json.dumps({name: line, "time": "2026-03-01T10:00:00Z"}) + "\n" for line in LINES
    )


def broken(width: int) -> str:
    pieces = [line[at : at + width] for line in LINES for at in range(0, len(line), width)]
    return "".join(f"{piece}\n" for piece in pieces)


def rich_lines() -> str:
    first, *rest = (f"{message:<60}" for message in MESSAGES)
    lines = [f"[03/01/26 10:00:00] INFO     {first[:60]} study.py:12"]
    for message in rest:
        parts = [message[at : at + 60] for at in range(0, len(message.rstrip()), 60)]
        lines.append(f"                    INFO     {parts[0]:<60} study.py:12")
        lines += [" " * 29 + part for part in parts[1:]]
    return "".join(f"{line}\n" for line in lines)


def database(version: str) -> bytes:
    folder = ROOT / "tests" / "data" / "storages"
    return gzip.decompress((folder / f"optuna-{version}.db.gz").read_bytes())


SEEDS: dict[str, bytes] = {
    "plain": TEXT.encode(),
    "level_word": "".join(f"2026-03-01 10:00:00,1 INFO {m}\n" for m in MESSAGES).encode(),
    "docker": of_records("log").encode(),
    "json_lines": of_records("message").encode(),
    "logfmt": "".join(f"ts=1 level=info msg={json.dumps(line)}\n" for line in LINES).encode(),
    "html": f"<html><pre>\n{html.escape(TEXT)}</pre></html>\n".encode(),
    "columns_80": broken(80).encode(),
    "rich": rich_lines().encode(),
    "cp1252": TEXT.encode("cp1252"),
    "journal": b'{"op_code": 0, "worker_id": "w", "study_name": "s", "directions": [1]}\n'
    + JOURNAL.encode(),
    "sqlite": database("2.10.1"),
    "sqlite_0.19": database("0.19.0"),
    "sqlite_1.5": database("1.5.0"),
    "csv": b"number;value;params_x;state\n"
    + b"".join(b"%d;0.%d;1.%d;COMPLETE\n" % (n, n, n) for n in range(1, 8)),
    "table": b"+--------+-------+----------+\n| number | value | state    |\n"
    b"+--------+-------+----------+\n"
    + b"".join(b"|      %d |   0.%d | COMPLETE |\n" % (n, n) for n in range(1, 8)),
    "nanochat": NANOCHAT.encode(),
    "nanochat_records": RECORDS.encode(),
    "modded_nanogpt": MODDED.encode(),
    "nanogpt": NANOGPT.encode(),
    "llm_c": LLM_C.encode(),
    "trainer": TRAINER.encode(),
    "autoresearch": AUTORESEARCH.encode(),
    "metric_lines": b"".join(
        b"METRIC val_bpb=1.%d25\nMETRIC train_time=4%d.5\n" % (n, n) for n in range(5)
    ),
    "syne_tune": b"".join(
        b'[tune-metric]: {"epoch": %d, "mean_loss": 0.%d, "st_worker_iter": %d}\n' % (n, n, n - 1)
        for n in range(1, 9)
    ),
    "run_table": b"commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
    + b"".join(b"a1b2c3%d\t0.99%d100\t44.%d\tkeep\tidea %d\n" % (n, n, n, n) for n in range(8)),
    "yaml": "".join(YAML.format(n) for n in range(8)).encode(),
}
NOISE = (
    b"\0" * 40,
    b"\xff\xfe\x80\n",
    b"Epoch 3 | loss 0.5\n",
    b"{\n",
    b"\n\n",
    b"<b>\n",
)


def rows_of(data: bytes) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a file, and write them in two formats."""
    recovery = read_trials([[data]])
    to_csv(recovery)
    to_jsonl(recovery)
    recovery.report()
    for study in recovery.studies:
        for trial in study.rows:
            params = tuple(sorted((name, repr(value)) for name, value in trial.params.items()))
            flags = {*trial.flags} - {NUMBERED_BY_ORDER}
            is_flagged = bool(flags) or any(
                "encoding" in text or "measurements" in text for text in recovery.problems
            )
            number = -1 if NUMBERED_BY_ORDER in trial.flags else trial.number
            yield number, trial.state, trial.values, params, is_flagged


# Faults that a reader cannot notice: exchanged pieces of a line, or two numbers that become one.
UNNOTICED = {
    "columns_80": {"repeat", "exchange", "cut"},
    "rich": {"repeat", "exchange"},
    "yaml": {"repeat", "exchange", "cut", "tear", "glue"},
    "csv": {"cut", "glue", "tear"},
    "table": {"cut", "glue"},
    "nanochat": {"exchange"},
    "nanochat_records": {"exchange"},
    "modded_nanogpt": {"exchange"},
    "nanogpt": {"exchange", "cut", "tear"},
    "autoresearch": {"exchange", "cut", "tear"},
    "metric_lines": {"exchange", "cut", "tear"},
    "run_table": {"cut", "tear"},
}
# Three lost lines can leave the beginning of one wrapped statement and the rest of another.
MOST_FAULTS = {"columns_80": 2}
FAULTS = ("repeat", "drop", "cut", "tear", "noise", "glue", "exchange")


def damaged(name: str, data: bytes, chance: random.Random) -> bytes:
    """Return a file with one to three faults."""
    if name.startswith("sqlite"):
        start = 4096 * chance.randrange(1, len(data) // 4096)
        size = chance.choice([1, 64, 4096])
        filler = chance.choice([b"\0", b"\xff", b"a"]) * size
        return data[:start] + filler + data[start + size :]
    lines = data.splitlines(keepends=True)
    for _ in range(chance.randint(1, MOST_FAULTS.get(name, 3))):
        fault = chance.choice([fault for fault in FAULTS if fault not in UNNOTICED.get(name, ())])
        damage_line(lines, fault, chance)
    return data if is_exchanged(name, lines) else b"".join(lines)


def damage_line(lines: list[bytes], fault: str, chance: random.Random) -> None:
    """Put one fault into the lines of a file."""
    at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
    size = chance.randint(0, len(lines[at]))
    inserted = {"repeat": lines[at], "noise": chance.choice(NOISE)}
    replaced = {
        "cut": lines[at][:size],
        "tear": lines[at][:size] + b"\n",
        "glue": lines[at].rstrip(b"\n"),
    }
    if fault in inserted:
        lines.insert(to, inserted[fault])
    elif fault in replaced:
        lines[at] = replaced[fault]
    elif fault == "drop":
        lines[at] = b""
    else:
        lines[at], lines[to] = lines[to], lines[at]


def is_exchanged(name: str, lines: list[bytes]) -> bool:
    """Return whether a repeated line stands in the place of a lost one: an unnoticed exchange."""
    counts = Counter(SEEDS[name].splitlines(keepends=True))
    repeated = {line for line, count in Counter(lines).items() if count > counts[line] > 0}
    pairs = [*pairwise(lines), *pairwise(lines[::-1])]
    return "exchange" in UNNOTICED.get(name, ()) and any(
        first in repeated and second not in counts for first, second in pairs
    )


def false_rows(name: str, inputs: int, seed: int = 0) -> list[tuple[int, Any]]:
    """Return the rows of damaged files that the whole file does not have."""
    data = SEEDS[name]
    truth = {row[:4] for row in rows_of(data)}
    known = {(number, state, values): dict(params) for number, state, values, params in truth}
    found: list[tuple[int, Any]] = []
    for index in range(seed, seed + inputs):
        chance = random.Random(index)  # noqa: S311
        try:
            rows = list(rows_of(damaged(name, data, chance)))
        except UnreadableError:
            continue
        for number, state, values, params, flagged in rows:
            whole = known.get((number, state, values))
            is_part = whole is not None and dict(params).items() <= whole.items()
            if not (flagged or is_part or state == "RUNNING"):
                found.append((index, (number, state, values, params)))
    return found


def main() -> int:
    """Damage every format; print the false rows."""
    inputs = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    names = sys.argv[2:] or [*SEEDS]
    failed = 0
    for name in names:
        found = false_rows(name, inputs)
        failed += bool(found)
        print(
            f"{name}: {inputs} inputs, {len(found)} false rows", *found[:3], sep="\n  ", flush=True
        )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
