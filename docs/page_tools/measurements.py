"""Tables of measurements, which `make` targets write to JSON files, and of the planned runs."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Mapping
from functools import partial
from statistics import mean
from typing import Any

import yaml

from hpogen.spec import Spec, make_spec
from page_tools.pages import ROOT, code, table

READERS = ("recover-trials", "line loop", "rg -c", "grep -c")
LOGS = {
    "sparse": "predecessor, 60 epochs a trial",
    "gz": "the same, gzipped",
    "ansi": "the same, coloured",
    "crlf": "the same, CRLF",
    "tqdm": "the same, progress bars",
    "utf16": "the same, UTF-16",
    "dense": "predecessor, no epochs",
    "hostile": "the same, hostile parameters",
    "optuna": "Optuna 5",
    "notebook": "notebook",
    "own": "of a script, 50 epochs a trial",
    "journal": "Optuna's journal",
}
RATE = 10e12  # floating-point operations per second, assumed
ADAM_BYTES = 16  # per parameter: weight, gradient and two moments in fp32


def read(path: str) -> Any:
    """Return the content of a JSON file."""
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def faults() -> str:
    """Return how often each fault was injected, and the outcome (`make fault-table`)."""
    rows = []
    for counts in read("docs/fault-table.json"):
        fault, target = counts.pop("suite"), counts.pop("what")
        found = (f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
        rows.append([fault, target, ", ".join(found)])
    return table(["fault", "on", "counts"], rows)


def overhead() -> str:
    """Return CPU and memory of a study besides its training (`make bench-overhead`)."""
    rows = [
        [
            f"{row['trials']:,} ({row['log_mb']:.0f} MB)",
            f"{row['start']:.1f} s",
            *(f"{1000 * row[part]:.1f} ms" for part in ("ask", "evaluation", "prune", "end")),
            f"{row['trial']:.2f} s ({row['trial'] / 60:.1%})",
            f"{row['results']:.2f} s",
            f"{row['memory_mb']:.0f} MB ({row['peak_mb']:.0f} MB)",
        ]
        for row in read("docs/overhead.json")
    ]
    head = ["trials in the log", "start", "ask", "evaluation", "prune", "end"]
    return table([*head, "a trial (of a minute)", "tables", "memory (peak)"], rows)


def scaling_coverage() -> str:
    """Return how often intervals hold a planted exponent (`make bench-scaling`)."""
    rows = []
    for row in read("docs/scaling-coverage.json"):
        floor = f" + {row['floor']:g}" if row["floor"] else ""
        ends = f"50K to {row['largest'] // 10**6}M"
        known = row["law_misses"] is not None
        reruns = f", {row['reruns']} reruns" if row.get("reruns") else ""
        rows.append(
            [
                f"{row['factor']:g}·N^-{row['exponent']:g}{floor}",
                f"{row['budgets']}, {ends}",
                f"{row['trials']}, {row['noise']:.1%}{reruns}",
                f"{row['inside']:.1%} of {row['draws']}",
                f"{row['width']:.3f}",
                f"{row['held_out_inside']:.1%}" if known else "",
                f"{row['law_misses']:.2%} / {row['rule_misses']:.1%}" if known else "",
            ]
        )
    head = ["law", "budgets", "trials, seed noise", "α in its interval", "width"]
    return table([*head, "largest in its interval", "law / rule miss it by"], rows)


def surface_coverage() -> str:
    """Return how often intervals of laws of size and tokens hold a planted law."""
    rows = []
    for row in read("docs/loss-surface.json")["planted"]:
        shares = [f"{row[name]:.0%}" for name in ("alpha", "beta", "floor", "size_exponent")]
        grid = f"{row['budgets']} by {row['sizes']}, {row['lowest']:.0e} to {row['highest']:.0e}"
        rows.append([grid, f"{row['noise']:.1%}", *shares, f"{row['width']:.3f}"])
    head = ["compute budgets by sizes, FLOP", "noise", "α in its interval", "β", "E", "a"]
    return table([*head, "width of a"], rows)


def surface_fits() -> str:
    """Return the laws of public runs by hpogen and by the package `chinchilla`."""
    rows = []
    for row in read("docs/loss-surface.json")["public"]:
        cells = []
        for name, digits in (("alpha", 3), ("beta", 3), ("floor", 3), ("size_exponent", 2)):
            ends = row.get(f"{name} interval")
            interval = f" [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]" if ends else ""
            cells.append(f"{row[name]:.{digits}f}{interval}")
        rows.append([str(row["runs"]), row["program"], *cells, f"{row['cpu_seconds']:.0f} s"])
    return table(["runs", "fit by", "α", "β", "E", "a", "CPU"], rows)


def recover_speed() -> str:
    """Return the CPU time of `read_trials` per kind of log, and its ratio to other readers."""
    figures = read("docs/recover-speed.json")
    rows = []
    for name, about in LOGS.items():
        log = figures.get(name)
        if log is None:  # the benchmark was ended before this log
            continue
        own = log["readers"]["read_trials"]
        cpu = f"{own['cpu_s']:.3f} s ({own['mb_per_cpu_s']:,.0f} MB/s)"
        others = (log["readers"].get(reader) for reader in READERS)
        ratios = [f"{other['ratio']:.2g}" if other else "" for other in others]
        size, peak = f"{log['mb']:.0f} MB", f"{own['peak_mb']:.0f} MB"
        kept = f"{log['bytes_kept'] / log['trials'] / 1000:.1f} KB"
        rows.append([about, size, f"{log['trials']:,}", cpu, peak, kept, *ratios])
    head = ["log", "size", "trials", "`read_trials`", "peak", "kept per trial"]
    return table([*head, *map(code, READERS)], rows)


def comparison(name: str) -> str:
    """Return the results of an experiment, as its own script tabulates them."""
    folder = f"experiments/{name}"
    tabulate = runpy.run_path(str(ROOT / folder / "compare.py"))["table"]
    return str(tabulate(read(f"{folder}/results.json")))


def walk_forward() -> str:
    """Return the results of `experiments/inputs`, averaged over all folds."""
    names = runpy.run_path(str(ROOT / "experiments/inputs/compare.py"))
    return str(names["table"](read("experiments/inputs/results.json"), names["FOLDS"]))


def search() -> str:
    """Return the tables of search methods (`make bench-search`)."""
    tabulate = runpy.run_path(str(ROOT / "tests/benchmarks/search/table.py"))["table"]
    return str(tabulate(read("docs/search.json")))


def flop_per_sample(row: Mapping[str, int], n_tokens: int) -> int:
    """Return the operations of a forward and a backward pass of one sample.

    Two per weight and token forward, twice as many backward, and the attention matrices.
    """
    attention = 12 * row["n_layers"] * n_tokens**2 * row["d_model"]
    return 6 * row["params"] * n_tokens + attention


def run_of(spec: Spec) -> list[object]:
    """Return the size and the estimated cost of a study."""
    sizes = spec.constants
    n_tokens = (sizes["context_length"] - sizes["patch_length"]) // sizes["stride"] + 1
    n_samples = spec.family.count_samples(sizes, spec.horizon, None) or 0
    n_epochs = mean(spec.search["epochs"].choices)  # type: ignore[union-attr]
    flop = mean(flop_per_sample(row, n_tokens) for row in spec.architectures)
    trial = flop * n_samples * n_epochs
    memory = ADAM_BYTES * max(row["params"] for row in spec.architectures)
    return [
        len(spec.architectures),
        len(spec.space().shapes),
        f"{memory / 1e9:.2f} GB",
        f"{trial / 1e15:.2g}",
        f"{trial / RATE / 3600:.2g}",
        f"{50 * trial / RATE / 3600:.2g}",
    ]


def runs() -> str:
    """Return the estimated cost of each budget of the plan; horizons hardly change it."""
    plan = yaml.safe_load((ROOT / "experiments/phase6a/plan.yaml").read_text(encoding="utf-8"))
    rows = [
        [budget, *run_of(make_spec(budget=budget, horizon=plan["horizons"][0]))]
        for budget in plan["budgets"]
    ]
    head = ["budget", "architectures", "shapes", "largest model", "PFLOP per trial"]
    return table([*head, "hours per trial", "hours per 50 trials"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "fault-table": faults,
    "overhead": overhead,
    "recover-speed": recover_speed,
    "scaling-coverage": scaling_coverage,
    "surface-coverage": surface_coverage,
    "surface-fits": surface_fits,
    "inputs": partial(comparison, "inputs"),
    "inputs-walk-forward": walk_forward,
    "transfer": partial(comparison, "transfer"),
    "search": search,
    "verdicts": partial(comparison, "verdicts"),
    "runs": runs,
}
