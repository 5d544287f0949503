"""Presets: `--preset` names one, and each parameter that it searches changes the training."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hpogen.configuration.presets import with_preset
from hpogen.configuration.yaml_file import ConfigFile
from hpogen.errors import ConfigError, UsageError
from hpogen.rendering.render import render
from hpogen.spec import Spec, make_spec
from scripts import LABELS, load_task

TASK = "text_classification"


def spec_of_preset(**changes: Any) -> Spec:
    """Return the specification of the maximal search with changes."""
    return make_spec(config=with_preset("maximal", ConfigFile("changes", changes, {}), TASK))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any]:
    """Return names and task of the maximal search of a small model, with few short texts.

    The metric is the loss, which falls in smaller steps than a share of few texts.
    """
    folder = tmp_path_factory.mktemp("presets")
    counts = {"mit": 60, "apache-2.0": 40}  # not the same, so that class_balance has an effect
    lines = [f"see {label} {n} now,{label}" for label, k in counts.items() for n in range(k)]
    (folder / "notices.csv").write_text("text,label\n" + "\n".join(lines))
    small = {group: LABELS[group] for group in ("budget", "data", "architecture")}
    spec = spec_of_preset(**small, model={"context_length": 16}, metric="val_loss")
    script = folder / f"{spec.name}.py"
    script.write_text(render(spec))
    return load_task(script)


def run_of(names: dict[str, Any], task: Any, arch: int, config: dict[str, Any]) -> list[Any]:
    """Train one architecture until its schedule or early stopping ends it; return the curve."""
    training = names["Training"](
        task, names["ARCHITECTURES"][arch], config, (42, 0), torch.device("cpu")
    )
    curve: list[Any] = []
    for point in names["train"](training, micro_batch=128, after_batch=lambda _share: None):
        curve.append(point)
        if names["stops_early"]([each["val_loss"] for each in curve], config):
            break
    return curve


def ends(entry: dict[str, Any]) -> tuple[Any, Any]:
    """Return the first and the last value of a search entry."""
    values = entry.get("choices") or [entry["low"], entry["high"]]
    return values[0], values[-1]


@pytest.mark.slow
def test_a_parameter_changed_alone_changes_the_run(
    loaded: tuple[dict[str, Any], Any],
) -> None:
    names, data = loaded
    space, conditions = names["SEARCH_SPACE"], names["CONDITIONS"]
    config = {**names["FIXED_PARAMS"], **{name: ends(entry)[0] for name, entry in space.items()}}
    config |= {"epochs": 5, "warmup_steps": 2, "batch_size": 16}
    small_gains = {"learning_rate": 2e-5}  # between the two values of min_delta, per epoch
    needs = {"patience": {**small_gains, "min_delta": 1e-2}, "min_delta": small_gains}
    runs: dict[str, list[Any]] = {}
    without_effect = []

    def run(changed: dict[str, Any]) -> list[Any]:
        key = repr(sorted(changed.items()))
        runs[key] = runs.get(key) or run_of(names, data, 0, changed)
        return runs[key]

    for name, entry in space.items():
        base = {**config, **needs.get(name, {})}
        base |= {other: values[0] for other, values in conditions.get(name, {}).items()}
        value = 3 if name == "epochs" else ends(entry)[1]
        if run(base) == run({**base, name: value}):
            without_effect.append(name)
    assert without_effect == []


@pytest.mark.slow
def test_shape_and_heads_change_the_run(
    loaded: tuple[dict[str, Any], Any],
) -> None:
    names, data = loaded
    space = names["searched"]()
    config = {**names["FIXED_PARAMS"], **{n: ends(e)[0] for n, e in names["SEARCH_SPACE"].items()}}
    config |= {"epochs": 1, "learning_rate": 1e-2}
    places = {
        name: [
            names["SPACE"].decode({"shape_idx": 0, "n_heads_idx": 0, name: value})
            for value in (0, space[name]["high"])
        ]
        for name in ("shape_idx", "n_heads_idx")
    }
    for archs in places.values():
        assert len({*archs}) == 2
        assert run_of(names, data, archs[0], config) != run_of(names, data, archs[1], config)


def test_the_maximal_search_has_some_25_parameters() -> None:
    spec = spec_of_preset()
    assert len(spec.search) + len(spec.space().sizes()) == 25
    assert spec.n_trials == 1000
    own = {"loss": "focal_gamma", "schedule": "schedule_power", "optimizer": "beta2_decay"}
    for switch, name in own.items():
        assert [*spec.search[name].when] == [switch]


def test_a_configuration_changes_a_preset() -> None:
    spec = spec_of_preset(budget="2M", fixed={"patience": 9})
    assert spec.budget == 2_000_000
    assert spec.fixed["patience"] == 9
    assert "patience" not in spec.search


def test_a_parameter_without_effect_fails_the_rendering() -> None:
    with pytest.raises(ConfigError, match="has no effect without loss: focal"):
        spec_of_preset(fixed={"loss": "cross_entropy"})


@pytest.mark.parametrize(("name", "task"), [("maximl", TASK), ("maximl", None), ("maximal", "up")])
def test_an_unknown_preset_is_refused_with_a_list(name: str, task: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        with_preset(name, None, task)
    assert "presets: maximal for text_classification" in str(caught.value)
