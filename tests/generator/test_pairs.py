"""Every two options together: what comes out is clean, formatted and well typed."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hpogen.families.market.constants import PRICES
from hpogen.rendering.render import read_mark, render
from hpogen.spec import Spec
from scripts import JOINT, LABELS, MARKET, SHARED, SPANS, TEXT, changed, spec_of

ROOT = Path(__file__).parents[2]
SHA = "0123456789abcdef" * 4
LOSSES = ("bce", "weighted_bce", "focal", "soft_auc")


def searched(*losses: str) -> dict[str, Any]:
    """Return the change that searches the loss."""
    return {"search": {"loss": {"type": "categorical", "choices": list(losses)}}}


def condition(name: str, when: Mapping[str, Any]) -> dict[str, Any]:
    """Return the change that searches a parameter where others have a value."""
    entry = {"type": "float", "low": 0.5, "high": 0.9, "when": dict(when)}
    two = {"type": "categorical", "choices": [5, 9]}
    return {"search": {name: entry, "patience": two}}


# Each factor: the changes it can make to a configuration. An empty one leaves the default.
COMMON: dict[str, list[dict[str, Any]]] = {
    "sampler": [
        {"sampler": {"type": type_}} for type_ in ("tpe", "random", "cmaes", "gp")
    ] + [{
        "sampler": {"type": "grid"},
        "search": {"learning_rate": None, "dropout": None},
        "fixed": {"learning_rate": 0.001, "dropout": 0.1},
    }],
    "pruner": [
        {"pruner": {"type": type_}}
        for type_ in ("median", "percentile", "successive_halving", "hyperband", "none")
    ],
    "condition": [{}, condition("beta1", {"patience": 5}),
                  condition("min_lr_ratio", {"patience": [5, 9]})],
    "skip": [{}, {"architecture": {"skip": [0]}}, {"architecture": {"skip": [{"n_layers": 4}]}},
             {"architecture": {"max_memory_gb": 8}}],
    "where": [{}, {"architecture": {"where": {"head_dim": {"max": 8}}}},
              {"architecture": {"where": {"n_layers": {"max": 4}, "d_ff": {"min": 8}}}}],
    "timeout": [{}, {"study": {"timeout_hours": 12}}, {"study": {"timeout_hours": 0.5}}],
    "storage": [{}, {"study": {"storage": "postgresql://me@host/hpo"}}],
    "sections": [{}, {"sections": ["guards"]}, {"sections": ["slurm", "guards"]}],
    "name": [{}, {"study": {"name": 'a "name" of a \'study\', {so} long'}}],
    "subset": [{}, {"splits": {"train_subset": 0.25}}],
    "digest": [{}, {"data": {"data_sha256": SHA}}],
    "trials": [{}, {"study": {"n_trials": 1, "seed": 2**62}}],
    "heads": [{}, {"architecture": {"d_model": [12, 24, 36], "n_heads": [6, 12]}}],
}  # fmt: skip
# Of the text families; not every optimizer and schedule has the parameters of COMMON.
TRAINING: dict[str, list[dict[str, Any]]] = {
    "condition": [
        {},
        condition("clip_norm", {"patience": 5}),
        condition("prune_from", {"patience": [5, 9]}),
    ],
    "optimizer": [{}, {"fixed": {"optimizer": "adafactor"}}],
    "schedule": [
        {},
        *({"fixed": {"schedule": name}} for name in ("linear", "constant", "polynomial")),
    ],
}
FACTORS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "market": {
        **COMMON,
        "task": [{}, {"task": "direction"}, {"task": "threshold_0.5pct", "horizon": 20}],
        "inputs": [{"options": {"inputs": inputs}}
                   for inputs in ("revin", "revin_stats", "scale_free", "zscore")],
        "start": [{}, {"options": {"start": "none"}}],
        "loss": [{}, *({"fixed": {"loss": loss}} for loss in LOSSES),
                 *(searched(*pair) for pair in itertools.combinations(LOSSES, 2)),
                 searched(*LOSSES[1:]), searched(*LOSSES)],
        "metric": [{}, {"metric": "auc"}, {"metric": "brier", "direction": "minimize"}],
        "ends": [{}, {"splits": {"train_end": "2010-12-31", "val_end": "2014-12-31"}}],
        "ratio": [{}, {"architecture": {"d_ff_ratio": [2, 2.5, 4]}}],
        "columns": [{}, {"data": {"feature_columns": ["Close"]}},
                    {"data": {"feature_columns": ["Close", 'a "b"', "c'd", "{e}", "f\\g", "é"]}},
                    {"data": {"feature_columns": [f"indicator {i}" for i in range(12)]}}],
        "dates": [{}, {"data": {"data_range": ["1999-01-04", "2018-12-31"]}}],
        "reader": [{}, {"data": {"fill": "previous", "separator": "\t", "encoding": "utf-16",
                                 "columns": {name: f"name of {name}" for name in PRICES}}},
                   {"data": {"columns": {"Close": 'a "b"'}, "date_format": "%d.%m.%y",
                             "units": True}}],
    },
    "language": {
        **COMMON,
        "pattern": [{}, {"data": {"file_pattern": "**/*.txt"}}],
        "metric": [{}, {"metric": "val_loss"}],
        "schedule": [{}, {"search": {"steps": {"type": "int", "low": 8, "high": 64, "step": 8}},
                          "fixed": {"steps": None}}],
    },
    "text": {
        **COMMON,
        **TRAINING,
        "subset": [{}, {"splits": {"train_subset": 0.25, "group_column": None}}],
        "columns": [{}, {"data": {"text_column": 'a "b"', "label_column": "{c}"}},
                    {"splits": {"group_column": None, "split_column": "d\\e"}}],
        "labels": [{}, {"data": {"labels": ["no", 'a "b"', "{c}", "d\\e", "é"]}}],
        "head": [{}, {"options": {"head": "mlp"}}],
        "loss": [{}, {"fixed": {"loss": "focal"}}, searched("cross_entropy", "focal")],
        "metric": [{}, {"metric": "val_loss"}, {"metric": "accuracy"}],
    },
    "spans": {
        **COMMON,
        **TRAINING,
        "subset": [{}, {"splits": {"train_subset": 0.25, "group_column": None}}],
        "columns": [{}, {"data": {"question_column": None, "start_column": 'a "b"'}},
                    {"data": {"answer_column": "{c}"}},
                    {"splits": {"group_column": None, "split_column": "d\\e"}}],
        "metric": [{}, {"metric": "val_loss"}, {"metric": "exact_match"}],
    },
}  # fmt: skip
# Families of parts of the others: each value once, not every two together.
ONCE: dict[str, list[dict[str, Any]]] = {
    **{name: COMMON[name] for name in ("sampler", "pruner")},
    **{name: TRAINING[name] for name in ("optimizer", "schedule")},
    "loss": [{"fixed": {"loss": "focal"}}, searched("cross_entropy", "focal")],
    "metric": [
        {"metric": name}
        for name in ("mean_f1", "macro_f1", "token_f1", "exact_match", "accuracy", "val_loss")
    ],
    "labels": [{}, {"data": {"labels": ["no", 'a "b"', "{c}", "d\\e", "é"]}}],
}
FUSIONS = [{"fixed": {"fusion": name}} for name in ("concat", "gate", "attention")]
ONCE_EACH = {"text_shared": ONCE, "text_joint": {**ONCE, "fusion": FUSIONS}}
BASES = {
    "market": changed(MARKET, tolerance=0.6),
    "language": changed(TEXT, tolerance=0.6),
    "text": changed(LABELS, tolerance=0.6),
    "spans": changed(SPANS, tolerance=0.6),
    "text_shared": changed(SHARED, tolerance=0.6),
    "text_joint": changed(JOINT, tolerance=0.6),
}
Row = dict[str, int]


def pairwise(sizes: Mapping[str, int]) -> list[Row]:
    """Return rows in which every two values of every two factors stand together.

    Greedy: each row takes the values that give it the most pairs that no row has yet.
    """
    choose = random.Random(0)  # noqa: S311  the same rows every time
    values = [(name, value) for name, size in sizes.items() for value in range(size)]
    left = {
        frozenset(pair)
        for pair in itertools.combinations(values, 2)
        if pair[0][0] != pair[1][0] and not impossible(dict(pair))
    }
    rows: list[Row] = []
    while left:
        row = dict(min(left, key=sorted))
        for name in choose.sample(list(sizes), len(sizes)):
            options = [v for v in range(sizes[name]) if not impossible({**row, name: v})]
            gains = {v: gain(name, v, row, left) for v in options}
            row.setdefault(name, max(options, key=gains.__getitem__))
        left -= {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}
        rows.append(row)
    return rows


def gain(name: str, value: int, row: Row, left: set[frozenset[Any]]) -> int:
    """Return how many new pairs a value brings to a row."""
    return sum(frozenset({(name, value), item}) in left for item in row.items())


def impossible(row: Row) -> bool:
    """Tell whether values cannot stand together: a grid, the last sampler, has no conditions."""
    return row.get("sampler") == len(COMMON["sampler"]) - 1 and row.get("condition", 0) > 0


def merged(base: dict[str, Any], changes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a configuration with changes; a parameter that one of them removes stays away."""
    found = base
    for change in changes:
        known = {
            section: {k: v for k, v in content.items() if v is not None or k in found[section]}
            if isinstance(content, dict) and section in found
            else content
            for section, content in change.items()
        }
        found = changed(found, **known)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a script for every two options."""
    folder = tmp_path_factory.mktemp("pairs")
    for family, factors in FACTORS.items():
        sizes = {name: len(values) for name, values in factors.items()}
        for number, row in enumerate(pairwise(sizes)):
            config = merged(BASES[family], [factors[name][row[name]] for name in factors])
            script = render(spec_of(folder, config))
            (folder / f"{family}_{number}.py").write_text(script)
    for family, factors in ONCE_EACH.items():
        for number in range(max(map(len, factors.values()))):
            changes = [values[number % len(values)] for values in factors.values()]
            script = render(spec_of(folder, merged(BASES[family], changes)))
            (folder / f"{family}_{number}.py").write_text(script)
    (folder / "config.yaml").unlink()
    return folder


def tool(folder: Path, *arguments: str) -> None:
    """Run a module of Python on all scripts at once; it must find nothing."""
    scripts = sorted(path.name for path in folder.glob("*.py"))
    assert len(scripts) > 50
    done = subprocess.run(
        [sys.executable, "-m", *arguments, *scripts],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:5000]


def test_no_option_is_left_out(folder: Path) -> None:
    specs = [Spec.model_validate(read_mark(path.read_text())) for path in folder.glob("*.py")]
    for family in {spec.family.name: spec.family for spec in specs}.values():
        own = [spec for spec in specs if spec.family is family]
        kinds = [family.kind(spec.task) for spec in own]
        assert all(kind in kinds for kind in family.tasks)
        for name, choices in {
            **family.options,
            **{name: switch.choices for name, switch in family.switches.items()},
        }.items():
            assert {value for spec in own for value in spec.used[name]} == set(choices)
        assert {spec.sampler.type for spec in own} == {"tpe", "random", "cmaes", "gp", "grid"}
        assert len({spec.pruner.type for spec in own}) == 5
        assert {spec.metric for spec in own} == set(family.metrics)


def test_no_template_is_left_over(folder: Path) -> None:
    for path in folder.glob("*.py"):
        text = path.read_text()
        assert "{%" not in text
        assert "{#" not in text
        assert "{{" not in text.replace("{{e", "")  # doubled braces of an f-string


def test_every_script_is_clean(folder: Path) -> None:
    tool(folder, "ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml"))


def test_every_script_is_formatted(folder: Path) -> None:
    config = str(ROOT / "pyproject.toml")
    tool(folder, "ruff", "format", "--check", "--no-cache", "--config", config)


@pytest.mark.slow
def test_every_script_is_well_typed(folder: Path) -> None:
    options = ["--strict", "--no-warn-return-any", "--untyped-calls-exclude=torch"]
    cache = f"--cache-dir={ROOT}/.mypy_cache/scripts"
    tool(folder, "mypy", *options, cache, "--scripts-are-modules")
