"""Catalogue of dialects: how each is recognised, and a rule for each of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hpogen.configuration.dialects.names import HINTS
from hpogen.configuration.dialects.reader import Reader
from hpogen.configuration.dialects.rules import (
    Rule,
    default_pruner,
    label,
    metric,
    native_group,
    off,
    pruner,
    pruning_with_patience,
    required,
    sampler,
    seconds,
    seeds,
    storage,
    to,
)
from hpogen.configuration.dialects.spaces import fixed_values, search_space, value_lists
from hpogen.configuration.dialects.text import (
    agent,
    default_task,
    metric_of_direction,
    named_task,
    text_metric,
    text_space,
)
from hpogen.configuration.yaml_file import Place, dotted


@dataclass(frozen=True)
class Dialect:
    """The configuration format of an earlier system."""

    name: str
    matches: Callable[[Mapping[str, Any]], bool]
    rules: Mapping[Place, Rule]
    absent: Mapping[Place, Rule] = field(default_factory=dict)  # for keys that a file lacks

    def read(self, reader: Reader) -> None:
        """Read a file of this dialect."""
        for place, rule in {**NATIVE_RULES, **self.rules}.items():
            for depth in range(1, len(place)):
                if reader.has(place[:depth]):
                    reader.keys(place[:depth])
            if reader.has(place):
                rule(reader, place)
        for place, rule in self.absent.items():
            if not reader.has(place):
                rule(reader, place)


def any_of(*keys: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return a test that is true for a file with one of some keys."""
    return lambda content: any(key in content for key in keys)


def space_of(content: Mapping[str, Any]) -> list[Any]:
    """Return the entries of the search space of a file."""
    space = content.get("search_space")
    return list(space.values()) if isinstance(space, Mapping) else []


def has_distributions(content: Mapping[str, Any]) -> bool:
    """Return whether a file has the group optuna, or a search entry with a distribution."""
    entries = space_of(content)
    return "optuna" in content or any(
        isinstance(e, Mapping) and "distribution" in e for e in entries
    )


def has_lists(content: Mapping[str, Any]) -> bool:
    """Return whether every entry of the search space is a list of values."""
    entries = space_of(content)
    return bool(entries) and all(isinstance(entry, list) for entry in entries)


def study(*at: str) -> dict[Place, Rule]:
    """Return the rules for the keys of a study in the group `at`."""
    return {
        (*at, "n_trials"): to("study", "n_trials"),
        (*at, "direction"): to("direction"),
        (*at, "metric"): metric,
        (*at, "timeout_hours"): to("study", "timeout_hours"),
        (*at, "seed"): to("study", "seed"),
        (*at, "storage"): storage,
        (*at, "study_name"): to("study", "name"),
        (*at, "sampler"): sampler,
        (*at, "pruner"): pruner,
    }


def text_study(*at: str) -> dict[Place, Rule]:
    """Return the rules for the keys of a text search with its study in the group `at`."""
    return {
        ("task",): named_task,
        ("agent",): agent,
        **study(*at),
        (*at, "metric"): text_metric,
        (*at, "timeout"): seconds,
    }


def text_defaults(*at: str) -> dict[Place, Rule]:
    """Return the rules for the keys that a text search with its study in the group `at` lacks."""
    return {("task",): default_task, (*at, "metric"): metric_of_direction}


def stages(*at: str) -> dict[Place, Rule]:
    """Return the rules for the keys of a stage of a text search in the group `at`."""
    return {
        **text_study(*at),
        (*at, "stage"): label("ignored; each study is independent of other stages"),
        (*at, "stage_name"): to("study", "name"),
        (*at, "description"): label("ignored; a script holds no description"),
        (*at, "num_epochs"): to("fixed", "epochs"),
        (*at, "seeds"): seeds,
        (*at, "use_best_encoder"): off("ignored; a study uses no results of other studies"),
        (*at, "evaluate_on_test"): off("ignored; a search script never reads the test split"),
        (*at, "search_space"): text_space,
    }


def market(space: str, read: Rule) -> dict[Place, Rule]:
    """Return the rules for a market search with its search space in a group."""
    return {
        **study(),
        ("early_stopping", "patience"): to("fixed", "patience"),
        ("early_stopping", "min_delta"): to("fixed", "min_delta"),
        (space,): read,
    }


def language_task(reader: Reader, place: Place) -> None:
    """Set the task of a file that names none."""
    reader.put(place, "byte_lm", ())
    reader.note(place, "byte_lm, the default of this dialect")


# Keys and groups of hpogen's schema that are valid in a file of any dialect.
NATIVE_RULES: dict[Place, Rule] = {
    **{(name,): to(name) for name in ("task", "budget", "horizon", "tolerance")},
    **{
        (name,): native_group
        for name in ("options", "data", "splits", "model", "architecture", "fixed")
    },
}

# The first dialect that matches a file reads it.
DIALECTS = (
    Dialect(
        "text_hpo",
        any_of("hpo"),
        {
            **stages("hpo"),
            ("hpo", "constraints"): off("ignored, because it is empty"),
            ("hpo", "baseline_config_path"): off("ignored, because it is empty"),
            ("hpo", "pruning"): pruning_with_patience,
        },
        {
            ("hpo", "search_space"): required,
            ("hpo", "pruning"): default_pruner,
            **text_defaults("hpo"),
        },
    ),
    Dialect(
        "text_agent",
        has_distributions,
        {**text_study("optuna"), ("search_space",): text_space},
        {
            ("search_space",): required,
            ("optuna", "pruner"): default_pruner,
            **text_defaults("optuna"),
        },
    ),
    Dialect(
        "market_v2",
        any_of("training_search_space"),
        market("training_search_space", search_space),
        {("pruner",): default_pruner},
    ),
    Dialect(
        "language_search",
        any_of("study", "fixed_params", "pruning"),
        {
            **study("study"),
            ("study", "name"): to("study", "name"),
            ("study", "export_path"): label(
                "ignored; the best configuration is in best_params.json"
            ),
            ("pruning", "monitor"): metric,
            ("pruning",): pruner,
            ("search_space",): search_space,
            ("fixed_params",): fixed_values,
        },
        {
            ("search_space",): required,
            ("study",): required,
            ("pruning",): default_pruner,
            ("task",): language_task,
        },
    ),
    Dialect(
        "text_stage",
        any_of(
            "agent",
            "stage",
            "stage_name",
            "description",
            "num_epochs",
            "timeout",
            "seeds",
            "use_best_encoder",
            "evaluate_on_test",
        ),
        stages(),
        {("pruner",): default_pruner, **text_defaults()},
    ),
    Dialect(
        "market_lists",
        has_lists,
        market("search_space", value_lists),
        {("pruner",): default_pruner},
    ),
    Dialect(
        "market_v1",
        any_of("search_space"),
        market("search_space", search_space),
        {("pruner",): default_pruner},
    ),
)
FOREIGN = ("search_space", "training_search_space", "optuna", "hpo", "fixed_params")


def find_dialect(content: Mapping[str, Any]) -> Dialect | None:
    """Return the dialect of a file, None if it has no key that only dialects have."""
    if not any(key in content for key in FOREIGN):
        return None
    return next(dialect for dialect in DIALECTS if dialect.matches(content))


def misplaced(dialect: Dialect) -> dict[str, str]:
    """Return {key: hint} for keys of other dialects, and for keys below a group of this one."""
    hints = {}
    for other in DIALECTS:
        for place in other.rules:
            hints[str(place[0])] = f"it belongs to the dialect {other.name}; write one dialect"
    for place in dialect.rules:
        if len(place) > 1:
            hints[str(place[-1])] = f"write it below {dotted(place[:-1])}"
    for place in dialect.rules:
        hints.pop(str(place[0]), None)
    return {key: hint for key, hint in hints.items() if key not in HINTS}
