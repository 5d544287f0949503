"""The JSON Schema knows what hpogen knows."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hpogen.cli import main
from hpogen.configuration.json_schema import json_schema
from hpogen.configuration.yaml_file import ConfigFile, Loader
from hpogen.configuration.yaml_keys import Config
from hpogen.errors import HpogenError
from hpogen.families import FAMILIES
from hpogen.families.family import Family
from hpogen.families.market.losses import LOSSES
from hpogen.spec import make_spec
from hpogen.spec.defaults_and_checks import Resolver
from scripts import MARKET, TEXT, changed

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
GENERATED = ROOT / "docs" / "hpogen.schema.json"
CONFIGS = [path for path in sorted(ROOT.glob("experiments/**/*.yaml")) if path.stem != "plan"]


def refused_by_hpogen(config: dict[str, Any]) -> bool:
    try:
        make_spec(config=ConfigFile("config", copy.deepcopy(config), {}))
    except HpogenError:
        return True
    return False


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_copy_for_editors_is_fresh() -> None:
    fresh = "hpogen schema > docs/hpogen.schema.json"
    assert GENERATED.read_text(encoding="utf-8") == json.dumps(SCHEMA, indent=2) + "\n", fresh


def test_the_command_prints_it() -> None:
    result = CliRunner().invoke(main, ["schema"])
    assert json.loads(result.output) == SCHEMA


@pytest.mark.parametrize("config", [MARKET, TEXT, {}, None])
def test_it_accepts_the_samples(config: Any) -> None:
    VALIDATOR.validate(config)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_accepts_the_configurations_of_the_repository(path: Path) -> None:
    VALIDATOR.validate(yaml.load(path.read_text(encoding="utf-8"), Loader))  # noqa: S506


def described(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (place, schema) of every named property."""
    if isinstance(node, list):
        for item in node:
            yield from described(item, place)
    elif isinstance(node, dict):
        for name, item in node.get("properties", {}).items():
            yield f"{place}.{name}", item
        for name, item in node.items():
            yield from described(item, f"{place}.{name}")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_name_of_a_family_is_explained(family: Any) -> None:
    sections = SCHEMA["$defs"][family.name]["properties"]
    for name in ("data", "splits", "model", "search", "fixed"):
        assert sections[name]["additionalProperties"] is False
        for item in sections[name]["properties"].values():
            assert item["description"]


BAD = {
    "an unknown key": ({"serach": {}}, MARKET),
    "an unknown task": ({"task": "threshold_0pct"}, MARKET),
    "no budget": ({"budget": "2 million"}, MARKET),
    "a budget of nothing": ({"budget": -1}, MARKET),
    "no horizon for text": ({"horizon": 1}, TEXT),
    "a horizon of nothing": ({"horizon": 0}, MARKET),
    "a tolerance of all": ({"tolerance": 1.0}, MARKET),
    "an unknown metric": ({"metric": "accuracy"}, MARKET),
    "a metric of the other family": ({"metric": "auc"}, TEXT),
    "an unknown direction": ({"direction": "up"}, MARKET),
    "trials at the top": ({"n_trials": 3}, MARKET),
    "no trials": ({"study": {"n_trials": 0}}, MARKET),
    "trials as text": ({"study": {"n_trials": "3"}}, MARKET),
    "no time": ({"study": {"timeout_hours": 0}}, MARKET),
    "an unknown option": ({"options": {"input": "revin"}}, MARKET),
    "an unknown choice": ({"options": {"inputs": "raw"}}, MARKET),
    "an unknown section": ({"sections": ["guard"]}, MARKET),
    "a section that is no list": ({"sections": "guards"}, MARKET),
    "a loss as an option": ({"options": {"loss": "focal"}}, MARKET),
    "an option of the other family": ({"options": {"inputs": "revin"}}, TEXT),
    "an unknown constant": ({"data": {"path": "a.csv"}}, MARKET),
    "a constant in another section": ({"data": {"train_fraction": 0.5}}, MARKET),
    "a constant of the other family": ({"splits": {"val_bytes": 4096}}, MARKET),
    "a digest that is none": ({"data": {"data_sha256": "abc"}}, MARKET),
    "a date that is none": ({"splits": {"train_end": "1 May", "val_end": "2 May"}}, MARKET),
    "a share above one": ({"splits": {"train_subset": 1.5}}, MARKET),
    "no days": ({"model": {"context_length": 0}}, MARKET),
    "an unknown axis": ({"architecture": {"width": [8]}}, MARKET),
    "an axis of nothing": ({"architecture": {"d_model": []}}, MARKET),
    "a fraction of a layer": ({"architecture": {"n_layers": [1.5]}}, MARKET),
    "a width below one": ({"architecture": {"d_model": [0, 8]}}, MARKET),
    "an unknown column": ({"architecture": {"where": {"depth": {"max": 4}}}}, MARKET),
    "an unknown bound": ({"architecture": {"where": {"d_model": {"most": 4}}}}, MARKET),
    "a column that is skipped": ({"architecture": {"skip": [{"depth": 4}]}}, MARKET),
    "no memory": ({"architecture": {"max_memory_gb": 0}}, MARKET),
    "an unknown parameter": ({"fixed": {"momentum": 0.9}}, MARKET),
    "a parameter of the other family": ({"fixed": {"steps": 8}}, MARKET),
    "a fixed value of another type": ({"fixed": {"epochs": "two"}}, MARKET),
    "a fixed value out of range": ({"fixed": {"beta1": 1.0}}, MARKET),
    "an unknown loss": ({"fixed": {"loss": "mse"}}, MARKET),
    "a search without a type": ({"search": {"dropout": {"low": 0.0, "high": 0.1}}}, MARKET),
    "an unknown type": ({"search": {"dropout": {"type": "uniform", "low": 0.0}}}, MARKET),
    "a bound is missing": ({"search": {"dropout": {"type": "float", "low": 0.0}}}, MARKET),
    "a bound out of range": (
        {"search": {"dropout": {"type": "float", "low": 0.0, "high": 1.0}}},
        MARKET,
    ),
    "fractions of a step": (
        {"search": {"warmup_steps": {"type": "float", "low": 1, "high": 9}}},
        MARKET,
    ),
    "one choice": ({"search": {"dropout": {"type": "categorical", "choices": [0.1]}}}, MARKET),
    "an unknown condition": (
        {
            "search": {
                "dropout": {"type": "float", "low": 0.0, "high": 0.1, "when": {"mood": "good"}}
            }
        },
        MARKET,
    ),
    "an unknown sampler": ({"sampler": {"type": "bayes"}}, MARKET),
    "an argument of another sampler": ({"sampler": {"type": "random", "group": True}}, MARKET),
    "a percentile above all": ({"pruner": {"type": "percentile", "percentile": 101}}, MARKET),
    "a resource of nothing": ({"pruner": {"type": "hyperband", "max_resource": 0}}, MARKET),
}


@pytest.mark.parametrize(("changes", "config"), BAD.values(), ids=BAD.keys())
def test_both_refuse(changes: dict[str, Any], config: dict[str, Any]) -> None:
    bad = changed(config, **changes)
    assert refused_by_hpogen(bad)
    assert not VALIDATOR.is_valid(bad)


# --- Whatever hpogen accepts, the schema accepts -------------------------------------------------

POOL: list[Any] = [
    *(-1, 0, 1, 2, 3, 8, 16, 40, 0.1, 0.25, 0.5, 1.0, 1e-5, 1e3, True, None),
    *("bce", "focal", "soft_auc", "Open", "2010-01-01", "2014-01-01", "a" * 64, "sp500.csv", ""),
    *(["Open", "Close"], ["2010-01-01", "2014-01-01"], [8, 16], [1], [0.5, 2], [], {}),
]
FEW: dict[str, dict[str, list[Any]]] = {
    "": {
        "task": ["direction", "threshold_2pct", "threshold_0.25pct", None],
        "budget": [9000, "9_000", "9.5K", None],
        "horizon": [3, 1000, None],
        "tolerance": [0.5, 0.99],
        "metric": ["auc", "brier", "val_loss", "bits_per_byte", None],
        "direction": ["minimize", "maximize", None],
    },
    "study": {
        "name": ["a b", None],
        "n_trials": [1, 10**6],
        "seed": [0, 2**63 - 1],
        "timeout_hours": [1, 0.5, None],
        "storage": ["sqlite:///a.db", None],
    },
    "options": {"inputs": ["revin", "revin_stats", "zscore"]},
    "architecture": {
        "d_model": [[8, 16], [8, 16, 24, 32]],
        "d_ff_ratio": [[2], [2, 2.5, 4]],
        "where": [{"d_model": {"max": 24}}, {"head_dim": {"min": 2}}, {"n_layers": {"min": None}}],
        "skip": [[0], [{"d_model": 16}], [{"params": 1}]],
        "max_memory_gb": [1, 0.5, None],
    },
    "sampler": {
        "type": ["tpe", "random", "cmaes", "gp", "grid"],
        "n_startup_trials": [0, 5],
        "group": [True, None],
        "sigma0": [0.1, None],
    },
    "pruner": {
        "type": ["percentile", "successive_halving", "hyperband", "none"],
        "n_startup_trials": [0, 5],
        "percentile": [50, 12.5],
        "min_resource": ["auto", 3],
    },
}


def accepted(type_: Any) -> list[Any]:
    """Return what of the pool a type accepts, by what hpogen itself does with it."""
    found = []
    for value in POOL:
        resolver = Resolver(Config(), FAMILIES[0])
        resolver.check_value((), value, type_)
        if not resolver.problems:
            found.append(value)
    return found


def good_values(family: Family) -> dict[str, dict[str, list[Any]]]:
    """Return values that are good on their own, by section and name."""
    found = copy.deepcopy(FEW)
    for item in family.constants:
        found.setdefault(item.group, {})[item.name] = accepted(item.type)
    params = [*family.params, *(p for c in LOSSES.values() for p in c.params)]
    found["fixed"] = {param.name: accepted(param.type) for param in params}
    return found


GOOD = {family.name: good_values(family) for family in FAMILIES}


def one_of(draw: st.DrawFn, values: list[Any]) -> Any:
    """Return a good value, now and then any value."""
    return draw(st.sampled_from(POOL if not values or draw(st.integers(0, 9)) == 0 else values))


def entry_for(draw: st.DrawFn, values: list[Any], names: list[str]) -> dict[str, Any]:
    """Return a search entry over a parameter, mostly a good one."""
    low, high = (one_of(draw, values) for _ in range(2))
    kind = draw(st.sampled_from(["float", "int", "categorical", "categorical"]))
    found: dict[str, Any] = {"type": kind, "low": low, "high": high}
    if kind == "categorical":
        found = {"type": kind, "choices": [low, high]}
    elif draw(st.booleans()):
        found["log"] = True
    if draw(st.integers(0, 3)) == 0:
        values = draw(st.lists(st.sampled_from(POOL), min_size=1, max_size=2))
        found["when"] = {draw(st.sampled_from(names)): draw(st.sampled_from([values, values[0]]))}
    return found


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Return a sample configuration with a few values changed, added or removed."""
    base, family = draw(st.sampled_from([(MARKET, FAMILIES[0]), (TEXT, FAMILIES[1])]))
    found, good = copy.deepcopy(base), GOOD[family.name]
    names = [*good["fixed"]]
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        section = draw(st.sampled_from([*good, "search", "search"]))
        known = names if section == "search" else [*good[section]]
        name = draw(st.sampled_from(known))
        place = found.setdefault(section, {}) if section else found
        if section == "search":
            found["fixed"].pop(name, None)
            place[name] = entry_for(draw, good["fixed"][name], names)
        else:
            place[name] = one_of(draw, good[section][name])
    return found


@settings(max_examples=400)
@example(config={**MARKET, "sampler": {}, "pruner": {"n_startup_trials": 0}})
@example(config=changed(MARKET, search={"dropout": {"type": "int", "low": 0, "high": 0.5}}))
@example(config={**MARKET, "budget": 9000, "task": None, "metric": None})
@given(config=configs())
def test_what_hpogen_accepts_the_schema_accepts(config: dict[str, Any]) -> None:
    if refused_by_hpogen(config):
        return
    assert [error.message for error in VALIDATOR.iter_errors(config)] == []
