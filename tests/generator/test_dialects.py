"""Dialects: what the systems before this one read means the same here, or is refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpogen.configuration.aliases import ALIASES
from hpogen.configuration.dialects import Converted, convert
from hpogen.configuration.dialects.catalogue import DIALECTS
from hpogen.configuration.dialects.names import HINTS, IMPLIED_VALUES, NATIVE
from hpogen.configuration.dialects.text import AGENTS, NAMES, WITHOUT
from hpogen.configuration.dialects.text import VALUES as VALUES_OF_SWITCHES
from hpogen.configuration.load import load_config
from hpogen.configuration.validation import validate
from hpogen.configuration.yaml_file import Place, format_problems, read_config
from hpogen.errors import ConfigError
from hpogen.families import FAMILIES
from hpogen.spec import make_spec

SAMPLES = Path(__file__).parent / "dialects"


def converted(tmp_path: Path, text: str) -> tuple[Converted, list[str]]:
    """Return the conversion of a text, and its problems as a user sees them."""
    path = tmp_path / "x.yaml"
    path.write_text(text)
    file = read_config(path)
    found = convert(file.content)
    assert found
    told = format_problems("x.yaml", found.problems, file.places)
    return found, told.splitlines()


def native(tmp_path: Path, text: str) -> dict[str, Any]:
    """Return what a text without problems is in hpogen's schema."""
    found, problems = converted(tmp_path, text)
    assert problems == []
    return found.content


@pytest.mark.parametrize("dialect", [d.name for d in DIALECTS])
def test_a_file_of_each_dialect_is_known_and_converts_to_the_native_schema(dialect: str) -> None:
    found = convert(read_config(SAMPLES / f"{dialect}.yaml").content)
    assert found
    assert found.dialect == dialect
    assert found.problems == []
    assert not isinstance(validate(found.content), list), validate(found.content)


TASKS_OF_SAMPLES = {
    "language_search": "byte_lm",
    "text_stage": "text_classification",
    "text_agent": "span_extraction",
    "text_hpo": "span_extraction",
}


@pytest.mark.parametrize("dialect", [d.name for d in DIALECTS])
def test_a_file_of_each_dialect_gives_a_specification(dialect: str) -> None:
    config, notes = load_config(SAMPLES / f"{dialect}.yaml")
    task = TASKS_OF_SAMPLES.get(dialect, "threshold_1pct")
    spec = make_spec(config=config, budget="2M", horizon=1 if task == "threshold_1pct" else None)
    assert notes[0] == f"read as dialect {dialect}"
    assert spec.task == task
    assert spec.search["learning_rate"]


def test_a_metric_of_another_system_is_refused_with_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("n_trials: 1\nsearch_space: {lr: {choices: [0.1, 0.2]}}\nmetric: f1_macro\n")
    config, _ = load_config(path)
    wrong = "x.yaml:3:1: metric: unknown metric 'f1_macro'; choose from val_loss, auc, brier"
    with pytest.raises(ConfigError, match=wrong):
        make_spec(config=config, budget="2M", horizon=1)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "search_space",
        {},
        {"budget": "2M", "search": {"dropout": {"type": "float", "low": 0.1, "high": 0.2}}},
        {"study": {"n_trials": 3}, "sampler": {"type": "tpe"}, "metric": "auc"},
    ],
)
def test_a_native_file_is_left_alone(content: Any) -> None:
    assert convert(content) is None


LR = "{lr: {type: uniform, low: 0.1, high: 0.2}}"


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        (f"search_space: {LR}", "market_v1"),
        (f"search_space: {LR}\nsampler: random\npruner: none", "market_v1"),
        (f"training_search_space: {LR}", "market_v2"),
        (f"search_space: {LR}\ntimeout: 60", "text_stage"),
        (f"search_space: {LR}\nstudy: {{}}", "language_search"),
        ("fixed_params: {}", "language_search"),
        ("search_space: {lr: [0.1, 0.2]}", "market_lists"),
        ("search_space: {lr: [0.1, 0.2], dropout: {choices: [0.1, 0.2]}}", "market_v1"),
        ("search_space: {lr: {distribution: uniform, low: 0.1, high: 0.2}}", "text_agent"),
        (f"search_space: {LR}\noptuna: {{}}", "text_agent"),
        ("hpo: {}\noptuna: {}", "text_hpo"),
    ],
)
def test_the_keys_of_a_file_tell_its_dialect(tmp_path: Path, text: str, dialect: str) -> None:
    assert converted(tmp_path, text)[0].dialect == dialect


def test_the_gpt_sample_means_what_it_says() -> None:
    found = convert(read_config(SAMPLES / "language_search.yaml").content)
    assert found
    assert found.content["study"] == {
        "name": "small-gpt",
        "n_trials": 30,
        "storage": "sqlite:///small_gpt.db",
    }
    assert found.content["architecture"] == {
        "d_model": [128, 192, 256],
        "n_layers": [4, 8, 12],
        "n_heads": [2, 4, 8],
    }
    assert found.content["model"] == {"context_length": 128}
    assert found.content["metric"] == "val_loss"
    assert found.content["pruner"] == {
        "type": "median",
        "n_startup_trials": 5,
        "n_warmup_steps": 50,
        "interval_steps": 10,
    }
    assert found.content["fixed"]["steps"] == 1000
    assert "study.export_path: ignored; the best configuration is in" in "".join(found.notes)


def test_a_stage_keeps_its_time_limit_seed_sampler_and_pruner() -> None:
    found = convert(read_config(SAMPLES / "text_stage.yaml").content)
    assert found
    assert found.content["study"] == {
        "name": "coarse",
        "n_trials": 24,
        "timeout_hours": 2.0,
        "seed": 42,
    }
    assert found.content["fixed"] == {"epochs": 20}
    assert found.content["sampler"]["group"] is True
    assert found.content["pruner"] == {
        "type": "successive_halving",
        "min_resource": 1,
        "reduction_factor": 3,
    }


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("type: log_uniform, low: 1e-5, high: 1e-2", ("float", True)),
        ("type: loguniform, low: 1e-5, high: 1e-2", ("float", True)),
        ("type: log_uniform, low: 1e-5, high: 1e-2, log: true", ("float", True)),
        ("type: uniform, low: 0, high: 1", ("float", False)),
        ("distribution: uniform, low: 0, high: 1", ("float", False)),
        ("type: float, low: 0, high: 1", ("float", None)),
        ("low: 0.0, high: 1", ("float", None)),
        ("type: int, low: 0, high: 10, step: 5", ("int", None)),
        ("type: int, low: 1, high: 8, log: true", ("int", True)),
        ("type: categorical, choices: [1, 2]", ("categorical", None)),
        ("choices: [1, 2]", ("categorical", None)),
    ],
)
def test_types_have_one_spelling_here(tmp_path: Path, entry: str, expected: Any) -> None:
    found = native(tmp_path, f"search_space: {{lr: {{{entry}}}}}")["search"]["learning_rate"]
    assert (found["type"], found.get("log")) == expected


SEARCH = "search_space: {lr: {choices: [0.1, 0.2]}}\n"


@pytest.mark.parametrize(
    ("text", "pruner"),
    [
        ("study: {}", {}),
        ("study: {}\npruning: {enabled: false, algorithm: median}", {"type": "none"}),
        ("study: {}\npruning: {algorithm: percentile}", {"type": "percentile"}),
        ("study: {}\npruning: {algorithm: hyperband}", {"type": "hyperband"}),
        ("pruner: MedianPruner", {"type": "median"}),
        ("pruner: none", {"type": "none"}),
        ("pruner: {type: SuccessiveHalvingPruner}", {"type": "successive_halving"}),
    ],
)
def test_a_pruner_is_the_one_that_is_meant(tmp_path: Path, text: str, pruner: Any) -> None:
    assert native(tmp_path, SEARCH + text).get("pruner", {}) == pruner


def test_several_seeds_are_those_of_each_trial(tmp_path: Path) -> None:
    assert native(tmp_path, f"{SEARCH}seeds: [1, 2, 3]")["study"] == {"seeds": [1, 2, 3]}


@pytest.mark.parametrize("name", ["tpe", "random", "grid", "cmaes", "cma-es", "CmaEsSampler"])
def test_a_sampler_is_the_one_that_is_meant(tmp_path: Path, name: str) -> None:
    found = native(tmp_path, f"{SEARCH}sampler: {name}")["sampler"]
    assert found == {"type": "cmaes" if name.startswith(("cma-", "Cma")) else name}


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("study: {}", "pruning: missing; the script uses hpogen's default, the median pruner"),
        ("study: {}", "task: byte_lm, the default of this dialect"),
        (
            "study: {}\npruning: {enabled: false, interval_steps: 3}",
            "pruning.interval_steps: ignored, because pruning.enabled is false",
        ),
        ("stage: A", "stage: ignored; each study is independent of other stages"),
        (
            "evaluate_on_test: false",
            "evaluate_on_test: ignored; a search script never reads the test split",
        ),
        ("seeds: []", "seeds: empty, so study.seed has its default"),
    ],
)
def test_what_changes_its_effect_is_noted(tmp_path: Path, text: str, note: str) -> None:
    found, problems = converted(tmp_path, SEARCH + text)
    assert problems == []
    assert note in found.notes


def test_a_list_of_one_value_is_fixed_and_of_one_constant_is_that_constant() -> None:
    found = convert(read_config(SAMPLES / "market_lists.yaml").content)
    assert found
    assert found.content["fixed"] == {"epochs": 50}
    assert found.content["model"] == {"context_length": 60}
    assert found.content["search"]["dropout"] == {
        "type": "categorical",
        "choices": [0.1, 0.2, 0.3],
    }
    assert found.origin["search", "dropout", "choices", 1] == ("search_space", "dropout", 1)


def test_a_fixed_axis_has_one_value_and_a_fixed_constant_is_one(tmp_path: Path) -> None:
    text = f"{SEARCH}study: {{}}\nfixed_params: {{n_layer: 6, n_head: [2, 4], seed: 3, lr: 0.1}}"
    found = native(tmp_path, text)
    assert found["architecture"] == {"n_layers": [6], "n_heads": [2, 4]}
    assert found["study"] == {"seed": 3}
    assert found["fixed"] == {"learning_rate": 0.1}  # in search too, which the schema refuses


def test_a_pruner_with_patience_is_the_patience_of_a_trial(tmp_path: Path) -> None:
    hpo = "hpo:\n  search_space: {lr: {choices: [0.1, 0.2]}}\n  pruning: "
    on = native(tmp_path, f"{hpo}{{type: null, patience: 3, min_delta: 0.1, warmup_steps: 5}}")
    assert on["fixed"] == {"patience": 3, "min_delta": 0.1}
    assert on["pruner"] == {"n_warmup_steps": 5}
    assert native(tmp_path, f"{hpo}{{enabled: false, patience: 3}}")["pruner"] == {"type": "none"}


def test_null_says_nothing(tmp_path: Path) -> None:
    text = f"{SEARCH}timeout: null\nn_trials: null\nstorage: null\nsampler: null\nmetric: null"
    assert set(native(tmp_path, text)) == {"search", "task"}  # the default task of the dialect


def test_sections_of_the_native_schema_may_stand_beside(tmp_path: Path) -> None:
    found = native(tmp_path, f"budget: 2M\ndata: {{data_path: x.csv}}\n{SEARCH}")
    assert found["budget"] == "2M"
    assert found["data"] == {"data_path": "x.csv"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "fixed_params: {}",
            "x.yaml:1:1: search_space: is missing; the dialect language_search needs",
        ),
        ("search_space: {}", "x.yaml:1:1: search_space: is empty; write at least one parameter"),
        ("search_space: 5", "x.yaml:1:1: search_space: write a mapping, KEY: VALUE"),
        ("search_space: {lr: 5}", "x.yaml:1:16: search_space.lr: write a search entry such as"),
        (
            "search_space: {lr: {type: q, low: 1, high: 2}}",
            "x.yaml:1:21: search_space.lr.type: unknown type 'q'; choose from float, uniform,",
        ),
        (
            "search_space: {lr: {low: 1, high: 2}}",
            "x.yaml:1:16: search_space.lr: has no type; write type: float, int",
        ),
        (
            "search_space: {lr: {type: int, distribution: float, low: 1, high: 2}}",
            "x.yaml:1:32: search_space.lr.distribution: contradicts type; remove one",
        ),
        (
            "search_space: {lr: {type: log_uniform, low: 1, high: 2, log: false}}",
            "x.yaml:1:57: search_space.lr.log: type log_uniform implies log: true;",
        ),
        (
            "search_space: {lr: {type: float, low: 1, high: 2, step: 1}}",
            "x.yaml:1:51: search_space.lr.step: unknown key in the dialect market_v1; a float"
            " has no step; write type: categorical with choices",
        ),
        (
            "search_space: {lr: {type: float, lwo: 1, high: 2}}",
            "x.yaml:1:34: search_space.lr.lwo: unknown key in the dialect market_v1; did you"
            " mean low?",
        ),
        (
            "search_space: {head.dropout: {type: float, low: 0.1, high: 0.2}}",
            "x.yaml:1:16: search_space.head.dropout: unknown key in the dialect market_v1;",
        ),
        (
            "search_space: {optimizer: {type: categorical, choices: [adamw, lion]}}",
            "x.yaml:1:16: search_space.optimizer: unknown key in the dialect market_v1; AdamW"
            " is the only optimizer; leave it out",
        ),
        (
            "search_space: {lr: {choices: [1, 2]}, learning_rate: {choices: [1, 2]}}",
            "x.yaml:1:39: search_space.learning_rate: has the same meaning as"
            " search_space.lr; remove one of the two",
        ),
        (
            "search_space: {d_model: {type: float, low: 64, high: 128}}",
            "x.yaml:1:16: search_space.d_model: needs a list of values; write type:",
        ),
        (
            "search_space: {n_layers: {type: int, low: 1, high: 1000}}",
            "x.yaml:1:16: search_space.n_layers: needs a list of values; write type:",
        ),
        (
            "search_space: {block_size: {choices: [64, 128]}}",
            "x.yaml:1:16: search_space.block_size: model.context_length is the same for all",
        ),
        (
            "search_space: {lr: {choices: [1, 2]}}\nstudy: {}\nfixed_params: {optimizer: lion}",
            "x.yaml:3:16: fixed_params.optimizer: unknown key in the dialect language_search;",
        ),
        (
            "search_space: {lr: {choices: [1, 2]}}\nstudy: {}\nnum_epochs: 3",
            "x.yaml:3:1: num_epochs: unknown key in the dialect language_search;"
            " it belongs to the dialect text_stage",
        ),
        (
            "search_space: {lr: {choices: [1, 2]}}\nstudy: {}\nn_trials: 3",
            "x.yaml:3:1: n_trials: unknown key in the dialect language_search;"
            " write it below study",
        ),
        (
            "search_space: {lr: {choices: [1, 2]}}\nstudy: {}\npruning: {enabled: maybe}",
            "x.yaml:3:11: pruning.enabled: write true or false (got 'maybe')",
        ),
        (
            "search_space: {lr: {choices: [1, 2]}}\nstudy: {sampler: qmc}",
            "x.yaml:2:9: study.sampler: unknown sampler 'qmc'; choose from tpe, random, grid,",
        ),
        (
            f"{SEARCH}sampler: {{type: nsga3, population_size: 9}}",
            "x.yaml:2:11: sampler.type: unknown sampler 'nsga3'; did you mean nsga2?",
        ),
        (
            f"{SEARCH}pruner: {{type: patient}}",
            "x.yaml:2:10: pruner.type: unknown pruner 'patient'; choose from median, percentile,",
        ),
        (
            f"{SEARCH}storage: postgresql://me:secret@host/db",
            "x.yaml:2:1: storage: holds a password; leave it out and set the variable",
        ),
        (
            f"{SEARCH}storage: mysql://host/db?user=me&password=secret",
            "x.yaml:2:1: storage: holds a password; leave it out and set the variable",
        ),
        (
            f"{SEARCH}storage: 'postgresql://me:secret@[host/db'",
            "x.yaml:2:1: storage: holds a password; leave it out and set the variable",
        ),
        (
            f"{SEARCH}timeout: soon",
            "x.yaml:2:1: timeout: write a number of seconds above 0 (got 'soon')",
        ),
        (
            f"{SEARCH}evaluate_on_test: true",
            "x.yaml:2:1: evaluate_on_test: unknown key in the dialect text_stage; leave it out",
        ),
        (
            f"{SEARCH}stage: B\nuse_best_encoder: true",
            "x.yaml:3:1: use_best_encoder: unknown key in the dialect text_stage; write",
        ),
        (
            f"{SEARCH}directions: [maximize, minimize]",
            "x.yaml:2:1: directions: unknown key in the dialect market_v1; write metric",
        ),
        (
            f"{SEARCH}timeout_hours: 4\ntimeout: 60",
            "x.yaml:3:1: timeout: has the same meaning as timeout_hours; remove one",
        ),
        (
            "hpo:\n  search_space: {lr: {choices: [1, 2]}}\n  constraints: ['lr < 2']",
            "x.yaml:3:3: hpo.constraints: unknown key in the dialect text_hpo; write architecture",
        ),
        (
            "hpo:\n  search_space: {lr: {choices: [1, 2]}}\n  baseline_config_path: b.yaml",
            "x.yaml:3:3: hpo.baseline_config_path: unknown key in the dialect text_hpo; write",
        ),
        (
            "training_search_space: {lr: {choices: [1, 2]}}\nearly_stopping: {metric: auc}",
            "x.yaml:2:18: early_stopping.metric: unknown key in the dialect market_v2; choose from"
            " patience, min_delta",
        ),
        (
            "training_search_space: {lr: {choices: [1, 2]}}\nearly_stopping: 10",
            "x.yaml:2:1: early_stopping: write a mapping, KEY: VALUE",
        ),
    ],
)
def test_a_refusal_names_the_place_the_dialect_and_the_way_out(
    tmp_path: Path, text: str, message: str
) -> None:
    _, problems = converted(tmp_path, text)
    assert len([line for line in problems if line.startswith(message)]) == 1, problems
    assert "secret" not in "".join(problems)


def test_all_refusals_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = "search_space: {lr: 1, x: {}}\nevaluate_on_test: true\nsampler: qmc\nfoo: 1\n"
    _, problems = converted(tmp_path, text)
    assert [line.split(": ")[1] for line in problems] == [
        "search_space.lr",
        "search_space.x",
        "evaluate_on_test",
        "sampler",
        "foo",
    ]


@pytest.mark.parametrize(
    ("text", "place", "line"),
    [
        (
            "search_space:\n  lr: {type: log_uniform, low: 2, high: 1}",
            ("search", "learning_rate"),
            "x.yaml:2:3: search_space.lr",
        ),
        (
            "search_space:\n  lr: {type: uniform, high: 1}",
            ("search", "learning_rate", "low"),
            "x.yaml:2:3: search_space.lr.low",
        ),
        (
            "search_space:\n  n_embd: {choices: [64, -1]}",
            ("architecture", "d_model", 1),
            "x.yaml:2:26: search_space.n_embd.choices.1",
        ),
        (
            "search_space:\n  lr: {distribution: uniform, low: 0, high: 1}",
            ("search", "learning_rate", "type"),
            "x.yaml:2:8: search_space.lr.distribution",
        ),
        (
            "search_space: {lr: [1, 2]}\nn_trials: 0",
            ("study", "n_trials"),
            "x.yaml:2:1: n_trials",
        ),
    ],
)
def test_an_error_found_later_is_told_at_the_users_own_line(
    tmp_path: Path, text: str, place: Place, line: str
) -> None:
    found, _ = converted(tmp_path, text)
    places = read_config(tmp_path / "x.yaml").places
    told = format_problems("x.yaml", [(found.user_place(place), "wrong")], places)
    assert told == f"{line}: wrong"


def test_every_alias_leads_to_a_name_of_the_native_schema() -> None:
    names: set[Place] = {("study", "seed")}
    for family in FAMILIES:
        switches = {name: list(switch.choices) for name, switch in family.switches.items()}
        names |= {(name,) for name in family.all_params(switches)}
        names |= {("architecture", axis) for axis in family.axes}
        names |= {(constant.group, constant.name) for constant in family.constants}
    assert set(ALIASES) <= names
    assert set(NATIVE).isdisjoint({*HINTS, *IMPLIED_VALUES})
    assert len(NATIVE) == sum(map(len, ALIASES.values()))


SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["tpe", "asha", "float", "int", "uniform", "categorical", "sqlite:///x"])
    | st.sampled_from([*AGENTS, "adamw", "lion", "focal", "cosine", "f1_macro", "em", "minimize"])
    | st.text(max_size=5)
)
WORDS = sorted(
    {str(part) for dialect in DIALECTS for place in dialect.rules for part in place}
    | {*NATIVE, *HINTS, *IMPLIED_VALUES, "type", "distribution", "low", "high", "log", "choices"}
    | {"task", "budget", "data", "fixed", "architecture", "enabled", "algorithm", "step"}
    | {*NAMES, *WITHOUT, *VALUES_OF_SWITCHES}
)
KEYS = st.sampled_from(WORDS) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4),
    max_leaves=12,
)
FILES = [read_config(path).content for path in sorted(SAMPLES.glob("*.yaml"))]


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a sample with some values replaced, added or left out, or all made up."""
    content: dict[str, Any] = copy.deepcopy(
        draw(st.sampled_from([*FILES, {"search_space": {}}, {"hpo": {}}]))
    )
    for _ in range(draw(st.integers(0, 4))):
        mappings = [content, *(v for _, v in walk(content) if isinstance(v, dict))]
        inside = draw(st.sampled_from(mappings))
        key = draw(st.sampled_from([*inside, "type"]) | KEYS)
        if draw(st.booleans()):
            inside[key] = draw(VALUES)
        else:
            inside.pop(key, None)
    return content


def walk(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield (place, value) of every key and item."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield (*place, key), item
        yield from walk(item, (*place, key))


def below(place: Place, above: Place) -> bool:
    """Tell whether a place is another, or lies in it."""
    return place[: len(above)] == above


def is_accounted_for(place: Place, value: Any, found: Converted, noted: tuple[str, ...]) -> bool:
    """Tell whether a value is moved, noted or refused, or cannot have any effect."""
    if value is None or place in found.origin.values() or dotted_starts(place, noted):
        return True
    if any(below(place, wrong) for wrong, _ in found.problems):
        return True
    if any(
        below(place, wrong[:-1]) and wrong[-1] in ("type", "distribution", "algorithm")
        for wrong, _ in found.problems
    ):
        return True  # what belongs to a refused type is refused with it
    if place[-1] == "enabled":
        return value is True  # as it is without
    if place[-1] == "distribution":
        return (*place[:-1], "type") in found.origin.values()  # says the same
    # The bounds of an axis, or of a constant, are in the list of its values.
    return any(
        below(there, place[:-1]) and native[0] != "search"
        for native, there in found.origin.items()
        if native and place[-1] in ("low", "high", "step", "log", "type")
    )


def dotted_starts(place: Place, noted: tuple[str, ...]) -> bool:
    """Tell whether a note is about a place, or what it lies in."""
    heads = {".".join(map(str, place[:depth])) for depth in range(1, len(place) + 1)}
    return any(note.split(": ")[0] in heads for note in noted)


@settings(max_examples=200)
@given(
    files() | st.dictionaries(KEYS, VALUES, max_size=5) | VALUES,
    st.sampled_from([None, "text_classification", "span_extraction", "direction"]),
)
def test_nothing_a_user_says_is_lost_and_nothing_is_made_up(
    content: Any, task: str | None
) -> None:
    found = convert(content, task)
    if found is None:
        return
    there = {(): content, **dict(walk(content))}
    for place, _ in walk(found.content):
        assert found.origin[place] in there
    about = tuple(n for n in found.notes if not n.startswith(("pruning: ", "pruner: ")))
    for place, value in there.items():
        leaf = not isinstance(value, (dict, list)) or not value
        if leaf and place and value != {}:
            assert is_accounted_for(place, value, found, about), (place, found)


@settings(max_examples=60)
@given(files())
def test_the_same_file_converts_the_same_way_and_is_not_changed(content: Any) -> None:
    before = copy.deepcopy(content)
    first = convert(content)
    assert repr(content) == repr(before)
    assert repr(convert(content)) == repr(first)
