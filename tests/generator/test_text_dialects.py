"""Dialects of text searches: tasks, metrics and parameters, and those without a counterpart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpogen.configuration.dialects import Converted, convert
from hpogen.configuration.dialects.text import (
    AGENTS,
    GROUPS_WITHOUT,
    NAMES,
    WITHOUT,
    is_known,
    text_place,
)
from hpogen.configuration.load import load_config
from hpogen.errors import ConfigError
from hpogen.families import FAMILIES, find_family
from hpogen.rendering.render import render
from hpogen.spec import make_spec

SAMPLES = Path(__file__).parent / "dialects"
SEARCH = {"lr": {"type": "uniform", "low": 0.1, "high": 0.2}}
STAGE = {"stage": 1, "search_space": SEARCH}
SINGLE = ("text_classification", "span_extraction")
LEFT_OUT = "left out: it has no counterpart in"


def converted(content: dict[str, Any], task: str | None = None) -> Converted:
    """Return the conversion of a file without problems."""
    found = convert(content, task)
    assert found
    assert found.problems == []
    return found


def stage(name: str, entry: Any, task: str = "text_classification") -> Converted:
    """Return the conversion of a stage that searches one parameter besides the learning rate."""
    return converted({**STAGE, "search_space": {**SEARCH, name: entry}}, task)


def categorical(*choices: Any) -> dict[str, Any]:
    return {"type": "categorical", "choices": list(choices)}


@pytest.mark.parametrize("task", AGENTS.values())
@pytest.mark.parametrize("dialect", ["text_stage", "text_agent", "text_hpo"])
def test_a_file_of_each_dialect_renders_each_task(tmp_path: Path, dialect: str, task: str) -> None:
    """Only the metric of another single task has to be left out."""
    metric = {"text_stage": "metric: f1_macro\n", "text_hpo": "  metric: val/exact_match\n"}
    left_out = metric.get(dialect, "\0") if task in SINGLE else "\0"
    path = tmp_path / "x.yaml"
    text = (SAMPLES / f"{dialect}.yaml").read_text()
    path.write_text(text.replace(left_out, ""))
    spec = make_spec(config=load_config(path, task)[0], task=task, budget="2M")
    assert f'TASK = "{task}"' in render(spec)


def test_a_stage_has_the_parameters_that_have_counterparts() -> None:
    config, notes = load_config(SAMPLES / "text_stage.yaml")
    spec = make_spec(config=config, budget="2M")
    assert (spec.task, spec.metric, spec.n_trials) == ("text_classification", "macro_f1", 24)
    search = {name: entry.model_dump() for name, entry in spec.search.items()}
    assert search["optimizer"]["choices"] == ["adamw", "adafactor"]
    assert search["schedule"]["choices"] == ["linear", "cosine", "polynomial"]
    assert search["loss"]["choices"] == ["cross_entropy", "focal"]
    assert search["focal_gamma"]["when"] == {"loss": ["focal"]}
    left_out = [note.split(": ")[0] for note in notes if "no counterpart" in note]
    assert left_out == [
        "search_space.model_name",
        "search_space.optimizer.choices.1",
        "search_space.head.dropout",
    ]


@pytest.mark.parametrize(
    ("content", "command_line", "task"),
    [
        ({}, None, "text_classification"),
        ({"agent": "evidence"}, None, "span_extraction"),
        ({"agent": "evidence"}, "text_classification", "text_classification"),
        ({"agent": "share"}, None, "text_shared"),
        ({"agent": "joint", "metric": "f1_macro"}, None, "text_joint"),
        ({"task": "span_extraction"}, None, "span_extraction"),
        ({"metric": "exact_match"}, None, "span_extraction"),
        ({"metric": "val/span_f1"}, None, "span_extraction"),
        ({"metric": "val_loss"}, None, "text_classification"),
        ({"task": "null"}, None, "text_classification"),
    ],
)
def test_the_task_is_named_or_follows_from_the_metric(
    tmp_path: Path, content: dict[str, Any], command_line: str | None, task: str
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(repr({**STAGE, **content}).replace("'", ""))
    config, notes = load_config(path, command_line)
    assert make_spec(config=config, task=command_line, budget="2M").task == task
    said = [note for note in notes if note.startswith("task: ")]
    is_named = command_line or ({"agent", "task"} & content.keys() and content != {"task": "null"})
    assert said == (
        [] if is_named else [f"task: {task}, the default of this dialect; --task chooses another"]
    )


def test_an_unknown_agent_and_two_names_of_the_task_are_refused() -> None:
    unknown = convert({**STAGE, "agent": "critera"})
    twice = convert({**STAGE, "agent": "criteria", "task": "span_extraction"})
    assert unknown
    assert unknown.problems == [
        (("agent",), "unknown agent 'critera'; did you mean criteria?"),
    ]
    assert twice
    assert twice.problems == [
        (("agent",), "has the same meaning as task; remove one of the two"),
    ]


def test_a_task_of_the_market_has_its_own_parameters(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("stage: 1\nsearch_space: {lr: {choices: [0.1, 0.2]}}\nmetric: val_auc\n")
    config, _ = load_config(path, "direction")
    spec = make_spec(config=config, task="direction", budget="2M", horizon=1)
    entry = spec.search["learning_rate"].model_dump()
    assert (spec.metric, entry["choices"]) == ("auc", [0.1, 0.2])


@pytest.mark.parametrize(
    ("word", "task", "metric"),
    [
        ("f1_macro", "text_classification", "macro_f1"),
        ("eval_f1_macro", "text_classification", "macro_f1"),
        ("val/accuracy", "text_classification", "accuracy"),
        ("f1", "span_extraction", "token_f1"),
        ("EM", "span_extraction", "exact_match"),
        ("val_loss", "span_extraction", "val_loss"),
        ("f1_macro", "text_shared", "macro_f1"),
        ("span_f1", "text_joint", "token_f1"),
        ("mean_f1", "text_joint", "mean_f1"),
    ],
)
def test_a_metric_has_one_name_here(word: str, task: str, metric: str) -> None:
    assert converted({**STAGE, "metric": word}, task).content["metric"] == metric


@pytest.mark.parametrize(
    ("word", "task"), [("f1_macro", "span_extraction"), ("f1", "text_classification")]
)
def test_a_metric_of_another_task_is_refused_in_the_words_of_the_file(
    tmp_path: Path, word: str, task: str
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"stage: 1\nmetric: {word}\nsearch_space: {{lr: {{choices: [0.1, 0.2]}}}}")
    config, _ = load_config(path, task)
    with pytest.raises(ConfigError, match=f"x.yaml:2:1: metric: unknown metric '{word}'"):
        make_spec(config=config, task=task, budget="2M")


def test_a_direction_without_a_metric_minimizes_the_loss() -> None:
    found = converted({**STAGE, "direction": "minimize"})
    assert found.content["metric"] == "val_loss"
    assert "metric: missing; the script minimizes val_loss" in found.notes
    assert "metric" not in converted({**STAGE, "direction": "maximize"}).content


@pytest.mark.parametrize(
    ("name", "native"),
    [
        ("optim.lr", "learning_rate"),
        ("training.weight_decay", "weight_decay"),
        ("loss.gamma", "focal_gamma"),
        ("loss.label_smoothing", "label_smoothing"),
        ("aug.char_noise", "char_noise"),
        ("train.max_grad_norm", "clip_norm"),
    ],
)
def test_a_name_with_a_group_is_the_parameter(name: str, native: str) -> None:
    entry = {"type": "uniform", "low": 0.1, "high": 0.2}
    content = converted({**STAGE, "search_space": {name: entry}}, "text_classification").content
    assert content["search"] == {native: {"type": "float", "low": 0.1, "high": 0.2, "log": False}}


@pytest.mark.parametrize(
    ("name", "choices", "native"),
    [
        ("scheduler", ["linear", "cosine_with_warmup"], ["linear", "cosine"]),
        ("sched.name", ["constant", "polynomial_decay"], ["constant", "polynomial"]),
        ("optimizer_type", ["AdamW", "Adafactor"], ["adamw", "adafactor"]),
        ("loss.type", ["cross-entropy", "focal_loss"], ["cross_entropy", "focal"]),
        ("fusion.type", ["gated", "cross_attention"], ["gate", "attention"]),
        ("fusion", ["concatenation", "gate"], ["concat", "gate"]),
    ],
)
def test_a_choice_has_one_spelling_here(name: str, choices: list[str], native: list[str]) -> None:
    content = stage(name, categorical(*choices), "text_joint").content
    (entry,) = [entry for key, entry in content["search"].items() if key != "learning_rate"]
    assert entry["choices"] == native


def test_choices_without_a_counterpart_are_left_out_by_name() -> None:
    found = stage("optimizer", categorical("lion", "adamw", "adamw_8bit", "adafactor", "AdamW"))
    assert found.content["search"]["optimizer"]["choices"] == ["adamw", "adafactor"]
    place = ("search_space", "optimizer", "choices")
    assert found.origin["search", "optimizer", "choices", 1] == (*place, 3)
    assert [note for note in found.notes if "optimizer" in note] == [
        "search_space.optimizer.choices.0: 'lion' is left out: it has no counterpart;"
        " choose from adamw, adafactor",
        "search_space.optimizer.choices.2: 'adamw_8bit' is left out: it has no counterpart;"
        " choose from adamw, adafactor",
        "search_space.optimizer.choices.4: 'AdamW' is left out: adamw is there already",
    ]


def test_a_switch_with_one_choice_left_is_fixed_and_with_none_refused() -> None:
    found = stage("optimizer", categorical("lion", "adafactor"))
    assert found.content["fixed"] == {"optimizer": "adafactor"}
    none = convert({**STAGE, "search_space": {**SEARCH, "optimizer": categorical("lion")}})
    assert none
    assert none.problems == [
        (
            ("search_space", "optimizer"),
            "no value has a counterpart; choose from adamw, adafactor",
        )
    ]


@pytest.mark.parametrize("name", [*WITHOUT, *(f"{group}.x" for group in GROUPS_WITHOUT)])
@pytest.mark.parametrize("task", AGENTS.values())
def test_a_parameter_without_a_counterpart_is_left_out_with_its_reason(
    name: str, task: str
) -> None:
    assert not is_known(find_family(task), text_place(name))  # or it has a counterpart by now
    found = stage(name, categorical(1, 2), task)
    assert [*found.content["search"]] == ["learning_rate"]
    (note,) = [note for note in found.notes if note.startswith(f"search_space.{name}: ")]
    assert f"{LEFT_OUT} {task}; " in note


def test_the_weight_of_the_evidence_is_the_share_of_the_span_s_loss() -> None:
    found = stage("loss.evidence_weight", SEARCH["lr"], "text_shared")
    assert found.content["search"]["span_weight"]["type"] == "float"
    alone = stage("loss.evidence_weight", SEARCH["lr"], "span_extraction")
    assert any("text_shared has it" in note for note in alone.notes)


def test_a_parameter_of_the_other_task_is_left_out() -> None:
    found = stage("class_balance", SEARCH["lr"], "span_extraction")
    assert (
        f"search_space.class_balance: {LEFT_OUT} span_extraction; text_classification has it"
        in (found.notes)
    )


@pytest.mark.parametrize("name", ["lern_rate", "model.lern_rate", "dropuot", "optim.foo"])
def test_a_name_that_no_system_has_is_refused(name: str) -> None:
    found = convert({**STAGE, "search_space": {**SEARCH, name: SEARCH["lr"]}})
    assert found
    ((place, message),) = found.problems
    assert place == ("search_space", name)
    assert message.startswith("unknown key in the dialect text_stage; ")


def test_every_name_leads_to_a_parameter_of_a_text_task() -> None:
    families = [f for f in FAMILIES if any(f.tasks[0].matches(task) for task in AGENTS.values())]
    for native in NAMES.values():
        assert any(is_known(family, native) for family in families), native
