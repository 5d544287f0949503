"""The dialects: by which keys each is known, and what becomes of each of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hpogen.dialects.names import WAYS_OUT
from hpogen.dialects.reader import Reader, dotted
from hpogen.dialects.rules import (
    Rule,
    default_pruner,
    label,
    metric,
    off,
    one_seed,
    pruner,
    pruning_with_patience,
    required,
    sampler,
    seconds,
    section,
    storage,
    to,
)
from hpogen.dialects.spaces import fixed_values, search_space, value_lists
from hpogen.yaml_file import Place


@dataclass(frozen=True)
class Dialect:
    """One way to write a search, as a system before this one read it."""

    name: str
    knows: Callable[[Mapping[str, Any]], bool]
    rules: Mapping[Place, Rule]
    absent: Mapping[Place, Rule] = field(default_factory=dict)  # for what a file does not say

    def read(self, reader: Reader) -> None:
        """Read a file of this dialect."""
        for place, rule in {**BESIDE, **self.rules}.items():
            for depth in range(1, len(place)):
                if reader.has(place[:depth]):
                    reader.keys(place[:depth])
            if reader.has(place):
                rule(reader, place)
        for place, rule in self.absent.items():
            if not reader.has(place):
                rule(reader, place)


def any_of(*keys: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return the test whether a file has one of some keys."""
    return lambda content: any(key in content for key in keys)


def space_of(content: Mapping[str, Any]) -> list[Any]:
    """Return the entries of the search space of a file."""
    space = content.get("search_space")
    return list(space.values()) if isinstance(space, Mapping) else []


def has_distributions(content: Mapping[str, Any]) -> bool:
    """Tell whether a file writes its search space, or its study, as the text agents do."""
    entries = space_of(content)
    return "optuna" in content or any(
        isinstance(e, Mapping) and "distribution" in e for e in entries
    )


def has_lists(content: Mapping[str, Any]) -> bool:
    """Tell whether all of a search space is lists of values."""
    entries = space_of(content)
    return bool(entries) and all(isinstance(entry, list) for entry in entries)


def study(*at: str) -> dict[Place, Rule]:
    """Return the rules for the keys of a study, which stand in the section `at`."""
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


def stages(*at: str) -> dict[Place, Rule]:
    """Return the rules for the keys of a stage of a text search in the section `at`."""
    return {
        **study(*at),
        (*at, "timeout"): seconds,
        (*at, "stage"): label("a label; stages do not know of each other"),
        (*at, "stage_name"): to("study", "name"),
        (*at, "description"): label("a label, not kept"),
        (*at, "num_epochs"): to("fixed", "epochs"),
        (*at, "seeds"): one_seed,
        (*at, "use_best_encoder"): off("nothing is taken over from other studies"),
        (*at, "evaluate_on_test"): off("a search script never reads the test split"),
        (*at, "search_space"): search_space,
    }


def market(space: str, read: Rule) -> dict[Place, Rule]:
    """Return the rules for a market search whose search space is in a section."""
    return {
        **study(),
        ("early_stopping", "patience"): to("fixed", "patience"),
        ("early_stopping", "min_delta"): to("fixed", "min_delta"),
        (space,): read,
    }


def language_task(reader: Reader, place: Place) -> None:
    """Say the task that files of this dialect are for, when they do not."""
    reader.put(place, "byte_lm", ())
    reader.note(place, "byte_lm, as nothing else is said")


# Sections of hpogen's own schema that no dialect has, so that a file can say all it needs.
BESIDE: dict[Place, Rule] = {
    **{(name,): to(name) for name in ("task", "budget", "horizon", "tolerance")},
    **{
        (name,): section
        for name in ("options", "data", "splits", "model", "architecture", "fixed")
    },
}

# The first that knows a file reads it.
DIALECTS = (
    Dialect(
        "text_hpo",
        any_of("hpo"),
        {
            **stages("hpo"),
            ("hpo", "constraints"): off("there are none"),
            ("hpo", "baseline_config_path"): off("there is none"),
            ("hpo", "pruning"): pruning_with_patience,
        },
        {("hpo", "search_space"): required, ("hpo", "pruning"): default_pruner},
    ),
    Dialect(
        "text_agent",
        has_distributions,
        {
            **study("optuna"),
            ("optuna", "timeout"): seconds,
            ("search_space",): search_space,
        },
        {("search_space",): required, ("optuna", "pruner"): default_pruner},
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
            ("study", "export_path"): label("the best configuration is in best_params.json"),
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
        {("pruner",): default_pruner},
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
    return next(dialect for dialect in DIALECTS if dialect.knows(content))


def misplaced(dialect: Dialect) -> dict[str, str]:
    """Return {key: hint} for keys that stand at the top in other dialects, or deeper in this."""
    hints = {}
    for other in DIALECTS:
        for place in other.rules:
            hints[str(place[0])] = f"{other.name} has it, and a file is written in one dialect"
    for place in dialect.rules:
        if len(place) > 1:
            hints[str(place[-1])] = f"it belongs to the section {dotted(place[:-1])}"
    for place in dialect.rules:
        hints.pop(str(place[0]), None)
    return {key: hint for key, hint in hints.items() if key not in WAYS_OUT}
