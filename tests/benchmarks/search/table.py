"""Tables of the results, in Markdown, with paired bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

RESAMPLES = 2000
FIRST = "predecessor"
Results = Mapping[str, Any]


def table(results: Results) -> str:
    """Return all tables."""
    parts = [
        main_table(results["methods"]),
        kinds_table(results["methods"], results["kinds"]),
        curves_table(results["curves"]),
        tabular_table(results["tabular"]),
        ladders_table(results.get("ladders", {})),
    ]
    return "\n\n".join(part for part in parts if part)


def rows_of(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def interval(differences: Sequence[float]) -> str:
    """Return the mean of paired differences and its 95 % bootstrap interval."""
    values, chance = np.array(differences), np.random.default_rng(0)
    draws = chance.integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return f"{values.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def difference(one: Results, look: int, other: Results, other_look: int) -> str:
    """Return how much more regret the first has, over the studies of both."""
    both = [study for study in one if study in other]
    return interval(
        [one[study]["regret"][look] - other[study]["regret"][other_look] for study in both]
    )


def mean(studies: Results, name: str) -> float:
    return float(np.mean([study[name] for study in studies.values()]))


def regrets(studies: Results) -> list[str]:
    """Return the mean regret after each number of trials."""
    found = np.mean([study["regret"] for study in studies.values()], axis=0)
    return [f"{regret:.3f}" for regret in found]


def main_table(methods: Results) -> str:
    """Return regret, differences to the predecessor, and coverage of each method."""
    rows = []
    for name, studies in methods.items():
        own = name == FIRST
        rows.append(
            [
                name,
                str(len(studies)),
                *regrets(studies),
                f"{mean(studies, 'best'):.3f}",
                "" if own else difference(studies, 1, methods[FIRST], 2),
                "" if own else difference(studies, 2, methods[FIRST], 2),
                f"{mean(studies, 'ends'):.0%}",
                f"{mean(studies, 'architectures'):.0f}",
                f"{mean(studies, 'repeats'):.1f}",
            ]
        )
    head = ["method", "studies", "10", "25", "50", "best of 50", "25 against its 50"]
    head += ["50 against its 50", "ends in 10", "architectures", "repeats"]
    return rows_of(head, rows)


def kinds_table(methods: Results, kinds: Sequence[str]) -> str:
    """Return the regret after 50 trials by landscape."""
    rows = []
    for name, studies in methods.items():
        cells = []
        for place in range(len(kinds)):
            chosen = [
                study["regret"][-1]
                for key, study in studies.items()
                if int(key.split()[1]) % len(kinds) == place
            ]
            cells.append(f"{np.mean(chosen):.3f}" if chosen else "")
        rows.append([name, *cells])
    return rows_of(["regret after 50", *kinds], rows)


def curves_table(methods: Results) -> str:
    """Return regret and the share of the epochs with the pruner."""
    rows = [
        [name, str(len(studies)), *regrets(studies), f"{mean(studies, 'epochs'):.0%}"]
        for name, studies in methods.items()
    ]
    head = ["with the median pruner", "studies", "10", "25", "50", "epochs used"]
    return rows_of(head, rows) if rows else ""


def tabular_table(samplers: Results) -> str:
    """Return the regrets on tables of real trainings."""
    rows = []
    for name, studies in samplers.items():
        values = np.array(list(studies.values()))
        more = values[:, -1] - np.array(list(samplers[FIRST].values()))[:, -1]
        cells = [f"{regret:.3f}" for regret in values.mean(axis=0)]
        rows.append([name, str(len(values)), *cells, "" if name == FIRST else interval(more)])
    head = ["tables of real trainings", "studies", "10", "25", "50", "50 against the predecessor"]
    return rows_of(head, rows) if rows else ""


def ladders_table(ways: Results) -> str:
    """Return the regrets of warm starts at the second budget of a ladder."""
    rows = []
    for name, studies in ways.items():
        against = difference(studies, 0, ways["cold"], 1)
        rows.append([name, str(len(studies)), *regrets(studies), against])
    head = ["warm start", "ladders", "10", "25", "10 against the 25 of cold"]
    return rows_of(head, rows) if rows else ""
