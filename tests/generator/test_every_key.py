"""Every key that a configuration may have changes the script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpogen.configuration.samplers import (
    CmaEs,
    Gp,
    Hyperband,
    Median,
    Nsga2,
    Percentile,
    SuccessiveHalving,
    Tpe,
)
from hpogen.configuration.yaml_keys import ArchitectureConfig, Config, StudyConfig
from hpogen.families import FAMILIES
from hpogen.families.family import Family
from hpogen.rendering.render import MARK, render
from scripts import JOINT, LABELS, MARKET, SHARED, SPANS, TEXT, changed, spec_of

CONFIGS = (MARKET, TEXT, LABELS, SPANS, SHARED, JOINT)
BASES = dict(zip([family.name for family in FAMILIES], CONFIGS, strict=True))
BY_NAME = {family.name: family for family in FAMILIES}
SHA = "0123456789abcdef" * 4
# Another value for every key; where a key needs company, the whole change.
TOP: dict[str, Any] = {
    "task": {"task": "direction"},
    "budget": {"budget": "10K"},
    "horizon": {"horizon": 3},
    "tolerance": {"tolerance": 0.2},
    "metric": {"metric": "auc"},
    "second_metric": {"second_metric": "ece"},
    "study": {"study": {"n_trials": 4}},
    "options": {"options": {"inputs": "revin"}},
    "sections": {"sections": ["guards"]},
    "data": {"data": {"data_path": "other.csv"}},
    "splits": {"splits": {"train_fraction": 0.6}},
    "model": {"model": {"stride": 10}},
    "architecture": {"architecture": {"d_model": [8, 16]}},
    "search": {"search": {"beta1": {"type": "float", "low": 0.8, "high": 0.95}}},
    "fixed": {"fixed": {"beta1": 0.8}},
    "sampler": {"sampler": {"n_startup_trials": 3}},
    "pruner": {"pruner": {"n_min_trials": 2}},
}
STUDY = {
    "name": "another",
    "n_trials": 7,
    "n_noise": 1,
    "n_confirm": 2,
    "seed": 7,
    "seeds": [1, 2],
    "timeout_hours": 1.5,
    "storage": "sqlite:///x.db",
}
ARCHITECTURE: dict[str, Any] = {
    "where": {"n_layers": {"max": 2}},
    "skip": [0],
    "max_memory_gb": 0.00018,
    "d_model": [8, 16],
    "n_layers": [1, 2],
    "n_heads": [2],
    "d_ff_ratio": [2],
}
CONSTANTS: dict[str, dict[str, Any]] = {
    "data_path": {"data": {"data_path": "other"}},
    "data_sha256": {"data": {"data_sha256": SHA}},
    "data_range": {"data": {"data_range": ["1999-01-04", "2018-12-31"]}},
    "feature_columns": {"data": {"feature_columns": ["Close"]}},
    "file_pattern": {"data": {"file_pattern": "*.txt"}},
    "columns": {"data": {"columns": {"Close": "Last"}}},
    "price_columns": {"data": {"price_columns": ["Close"]}},
    "date_format": {"data": {"date_format": "%d.%m.%Y"}},
    "encoding": {"data": {"encoding": "cp1252"}},
    "separator": {"data": {"separator": "\t"}},
    "decimal": {"data": {"decimal": ","}},
    "thousands": {"data": {"thousands": ","}},
    "units": {"data": {"units": True}},
    "footer": {"data": {"footer": 2}},
    "sort": {"data": {"sort": True}},
    "duplicates": {"data": {"duplicates": "last"}},
    "fill": {"data": {"fill": "drop"}},
    "transforms": {"data": {"feature_columns": ["VIX"], "transforms": {"VIX": "zscore"}}},
    "train_fraction": {"splits": {"train_fraction": 0.6}},
    "val_fraction": {"splits": {"val_fraction": 0.11}},
    "train_subset": {"splits": {"train_subset": 0.3}},
    "train_end": {"splits": {"train_end": "2010-01-01", "val_end": "2012-01-01"}},
    "val_end": {"splits": {"train_end": "2010-01-01", "val_end": "2013-01-01"}},
    "min_val_samples": {"splits": {"min_val_samples": 50}},
    "min_class_samples": {"splits": {"min_class_samples": 7}},
    "text_column": {"data": {"text_column": "notice"}},
    "label_column": {"data": {"label_column": "licence"}},
    "labels": {"data": {"labels": ["no", "yes", "unknown"]}},
    "group_column": {"splits": {"group_column": "post"}},
    "split_column": {"splits": {"split_column": "split"}},
    "split_seed": {"splits": {"split_seed": 1}},
    "question_column": {"data": {"question_column": "asked"}},
    "start_column": {"data": {"start_column": "begin"}},
    "end_column": {"data": {"end_column": "stop"}},
    "answer_column": {"data": {"answer_column": "answer"}},
    "min_answers": {"splits": {"min_answers": 7}},
    "hash_buckets": {"model": {"hash_buckets": 128}},
    "max_answer": {"model": {"max_answer": 9}},
    "val_bytes": {"splits": {"val_bytes": 5000}},
    "walk_forward": {"splits": {"walk_forward": 2}},
    "context_length": {"model": {"context_length": 30}},
    "vocab_size": {"model": {"vocab_size": 300}},
    "max_context_length": {"model": {"max_context_length": 90}},
    "patch_length": {"model": {"patch_length": 12}},
    "stride": {"model": {"stride": 4}},
}
NEEDS_A_CHECKPOINT = "encoder"  # see test_checkpoints.py
ARGUMENTS: dict[str, Any] = {
    "n_startup_trials": 3,
    "n_ei_candidates": 12,
    "multivariate": False,
    "group": True,
    "constant_liar": False,
    "prior_weight": 0.5,
    "consider_magic_clip": False,
    "consider_endpoints": True,
    "warn_independent_sampling": True,
    "sigma0": 0.2,
    "popsize": 5,
    "consider_pruned_trials": True,
    "use_separable_cma": True,
    "with_margin": True,
    "lr_adapt": True,
    "deterministic_objective": True,
    "population_size": 9,
    "mutation_prob": 0.25,
    "crossover_prob": 0.7,
    "swapping_prob": 0.25,
    "percentile": 40.0,
    "n_warmup_steps": 2,
    "interval_steps": 2,
    "n_min_trials": 2,
    "min_resource": 2,
    "max_resource": 9,
    "reduction_factor": 5,
    "min_early_stopping_rate": 1,
    "bootstrap_count": 1,
}
SAMPLERS = {"tpe": Tpe, "cmaes": CmaEs, "gp": Gp, "nsga2": Nsga2}
PRUNERS = {
    "median": Median,
    "percentile": Percentile,
    "successive_halving": SuccessiveHalving,
    "hyperband": Hyperband,
}


def body(folder: Path, config: dict[str, Any]) -> str:
    """Return a rendered script without what only says which specification it has."""
    spec = spec_of(folder, config)
    lines = render(spec).splitlines()
    return "\n".join(line for line in lines if not line.startswith(MARK)).replace(
        spec.sha256(), ""
    )


def assert_reaches(folder: Path, base: dict[str, Any], changes: dict[str, Any]) -> None:
    """Assert that a change of a configuration changes its script."""
    assert body(folder, base) != body(folder, changed(base, **changes))


def test_the_tables_below_have_every_key_there_is() -> None:
    assert TOP.keys() == Config.model_fields.keys() - {"direction"}  # only ever confirms
    assert STUDY.keys() == StudyConfig.model_fields.keys()
    axes = {axis for family in FAMILIES for axis in family.axes}
    assert ARCHITECTURE.keys() == ArchitectureConfig.model_fields.keys() | axes
    constants = {constant.name for family in FAMILIES for constant in family.constants}
    assert CONSTANTS.keys() == constants - {NEEDS_A_CHECKPOINT}
    known = {
        name
        for kind in (*SAMPLERS.values(), *PRUNERS.values())
        for name in kind.model_fields
        if name != "type"
    }
    assert ARGUMENTS.keys() == known


@pytest.mark.parametrize("key", TOP)
def test_a_section_reaches_the_script(key: str, tmp_path: Path) -> None:
    assert_reaches(tmp_path, MARKET, TOP[key])


@pytest.mark.parametrize("key", STUDY)
def test_a_key_of_the_study_reaches_the_script(key: str, tmp_path: Path) -> None:
    stored = changed(MARKET, sections=["storage"])  # `study.name` is for a storage
    assert_reaches(tmp_path, stored, {"study": {key: STUDY[key]}})


@pytest.mark.parametrize("key", ARCHITECTURE)
def test_a_key_of_the_architecture_reaches_the_script(key: str, tmp_path: Path) -> None:
    assert_reaches(tmp_path, MARKET, {"architecture": {key: ARCHITECTURE[key]}})


@pytest.mark.parametrize(
    ("name", "key"),
    [(f.name, c.name) for f in FAMILIES for c in f.constants if c.name != NEEDS_A_CHECKPOINT],
)
def test_a_constant_of_a_family_reaches_the_script(name: str, key: str, tmp_path: Path) -> None:
    base = BASES[name]
    if key == "val_end":
        base = changed(base, **CONSTANTS["train_end"])
    assert_reaches(tmp_path, base, CONSTANTS[key])


def every_param(family: Family) -> list[str]:
    """Return every hyper-parameter of a family, those of single losses among them."""
    used = {name: list(switch.choices) for name, switch in family.switches.items()}
    return list(family.all_params({**{o: [c] for o, c in family.default_options.items()}, **used}))


@pytest.mark.parametrize(
    ("name", "key"), [(f.name, param) for f in FAMILIES for param in every_param(f)]
)
def test_a_hyper_parameter_reaches_the_script(name: str, key: str, tmp_path: Path) -> None:
    family = BY_NAME[name]
    base = BASES[name]
    owner = family.owners().get(key, {})
    for switch, values in owner.items():
        base = changed(base, fixed={switch: values[0]})
    value: Any = -0.5 if key == "beta2_decay" else 0.125
    if key in family.switches:
        value = [choice for choice in family.switches[key].choices if choice != "soft_auc"][-1]
    whole = {"epochs", "steps", "eval_interval", "warmup_steps", "batch_size", "patience"}
    base = changed(base, search={key: None}) if key in base["search"] else base
    assert_reaches(tmp_path, base, {"fixed": {key: 7 if key in whole else value}})


@pytest.mark.parametrize(
    ("type_", "key"),
    [(t, k) for t, kind in SAMPLERS.items() for k in kind.model_fields if k != "type"],
)
def test_an_argument_of_a_sampler_reaches_the_script(type_: str, key: str, tmp_path: Path) -> None:
    base = changed(MARKET, sampler={"type": type_})
    base |= {"second_metric": "ece"} if type_ == "nsga2" else {}
    assert_reaches(tmp_path, base, {"sampler": {key: ARGUMENTS[key]}})


@pytest.mark.parametrize(
    ("type_", "key"),
    [(t, k) for t, kind in PRUNERS.items() for k in kind.model_fields if k != "type"],
)
def test_an_argument_of_a_pruner_reaches_the_script(type_: str, key: str, tmp_path: Path) -> None:
    base = changed(MARKET, pruner={"type": type_})
    assert_reaches(tmp_path, base, {"pruner": {key: ARGUMENTS[key]}})
