"""Suggestions: an unknown name gets the closest valid name, else all valid names."""

from __future__ import annotations

import pytest

from hpogen.configuration.aliases import closest_task, did_you_mean
from hpogen.configuration.yaml_file import read_text
from hpogen.errors import ConfigError, UsageError
from hpogen.families import FAMILIES, find_family
from hpogen.spec import make_spec

EXAMPLES = [kind.example for family in FAMILIES for kind in family.tasks]


@pytest.mark.parametrize(
    ("word", "task"),
    [
        ("treshold_1pct", "threshold_1pct"),
        ("threshold_0.50pct", "threshold_0.5pct"),
        ("threshold_0p5pct", "threshold_0.5pct"),
        ("threshold_2", "threshold_2pct"),
        ("Direction", "direction"),
        ("bytelm", "byte_lm"),
        ("../x", None),
        ("1" * 1000, None),
    ],
)
def test_a_mistyped_task_gets_the_task_with_its_number(word: str, task: str | None) -> None:
    assert closest_task(word, EXAMPLES) == task


def test_only_a_task_that_exists_is_suggested() -> None:
    with pytest.raises(UsageError, match="choose from threshold_<x>pct"):
        find_family("threshold_0pct")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("lr: 0.001", "lr: unknown key; did you mean fixed.learning_rate?"),
        ("block_size: 30", "block_size: unknown key; did you mean model.context_length?"),
        ("n_trials: 3", "n_trials: unknown key; did you mean study.n_trials?"),
        ("bugdet: 2M", "bugdet: unknown key; did you mean budget?"),
        ("options: {los: focal}", "options.los: unknown option; did you mean loss?"),
        ("options: {loss: focal}", "options.loss: loss is a parameter; write it under"),
        ("fixed: {focal_gama: 1}", "focal_gama: unknown parameter; did you mean focal_gamma?"),
        ("pruner: {type: asha}", "unknown type 'asha'; did you mean successive_halving?"),
        ("architecture: {where: {dmodel: {max: 9}}}", "dmodel: unknown column; did you mean d_"),
        ("sampler: {type: random, seed: 3}", "sampler random has no arguments; remove it"),
    ],
)
def test_an_unknown_name_gets_the_closest_one(text: str, hint: str) -> None:
    config = read_text("x.yaml", text)
    with pytest.raises(ConfigError) as caught:
        make_spec(budget="2M", horizon=1, config=config)
    assert hint in str(caught.value)


def test_a_name_like_no_other_gets_the_whole_list() -> None:
    assert did_you_mean("zzz", ["low", "high"]) == "choose from low, high"
    assert did_you_mean("zzz", []) == "no name is valid here; leave it out"
