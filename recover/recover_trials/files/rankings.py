"""Rankings of an earlier text system: the best trials of a search, or its Pareto front.

| file | form |
|---|---|
| topk | a list of entries |
| stage A | {agent, stage, topk, configurations: [entries]} |
| stage B | {agent, stage, pareto_size, total_trials, pareto_front: [entries]} |

An entry has `rank`, `params` or `config`, and `f1_macro` or `f1`. Stage B has two objectives, F1
up and `ece` down. Entries without a trial number take their positions as numbers.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, TypeGuard

from hpo_script.machinery.pareto_front import pareto_front
from recover_trials.errors import UnreadableError
from recover_trials.files.result_entries import NUMBER, VALUE, first, mapping
from recover_trials.files.result_study import ResultStudy
from recover_trials.model import DOMINATED, RANK_DIFFERS, RANK_TWICE, SCORE_OUT_OF_RANGE, Trial

RANKED = {"rank", "params"}
STAGE = {"agent", "stage"}
LISTS = ("configurations", "pareto_front")
SCORES = ("f1_macro", "f1")
SMOKE = 0.5
ALL_SMOKE = "every score is 0.5: the smoke mode of the earlier system writes this constant"
RANKS_MISSING = "ranks are missing: entries of the file may be lost"
COUNT_DIFFERS = "the file names {0} entries and holds {1}"
NUMBER_TOO_HIGH = "the file names {0} trials in total, but holds trial {1}"
ONLY_BEST = "the file holds the best trials only"
ONLY_FRONT = "the file holds the Pareto front only"
UNKNOWN_STAGE = (
    "the file of a stage needs a list, configurations (stage A) or pareto_front (stage B);"
    " stage C is not imported, for its metrics are random numbers"
)
UNKNOWN_RANKING = "unknown form of a ranking; a ranking is a list of entries with rank and params"

Ranked = list[tuple[int | None, Trial]]


def is_ranking(entries: list[Any]) -> bool:
    """Return whether a list has an entry with a rank."""
    return any(isinstance(entry, dict) and entry.keys() >= RANKED for entry in entries)


def is_scored(entries: list[Any]) -> bool:
    """Return whether a list has an entry with a rank and a score."""
    return any(
        isinstance(entry, dict) and "rank" in entry and any(name in entry for name in SCORES)
        for entry in entries
    )


def read_ranking(entries: list[Any]) -> ResultStudy:
    """Return the best trials of a search."""
    study = ResultStudy(remarks=[ONLY_BEST], excerpt=True)
    scored = is_scored(entries)
    ranked = add_entries(study, entries, [(*SCORES, "value") if scored else VALUE])
    check_ranks(study, ranked)
    if scored:
        study.about["direction"] = "maximize"
        check_scores(study, ranked)
        check_order(ranked)
    if any(isinstance(entry, dict) and SCORES[0] in entry for entry in entries):
        study.about["metric"] = SCORES[0]
    return study


def read_stage(document: dict[str, Any]) -> ResultStudy | None:
    """Return the trials of a stage; None if the document is not one."""
    lists = [name for name in LISTS if isinstance(document.get(name), list)]
    if not document.keys() >= STAGE or len(lists) != 1:
        return None
    (name,) = lists
    entries = document[name]
    named = f"{document['agent']}_stage_{document['stage']}"
    if name == "configurations":
        study = read_ranking(entries)
        most = document.get("topk")  # a short search has fewer
        check_count(study, most if is_count(most) and most < len(entries) else None, entries)
    else:
        directions = {"directions": ["maximize", "minimize"]}
        study = ResultStudy(directions, remarks=[ONLY_FRONT], excerpt=True)
        ranked = add_entries(study, entries, [SCORES, ("ece",)])
        check_scores(study, ranked)
        check_front(ranked)
        check_count(study, document.get("pareto_size"), entries)
        check_total(study, document.get("total_trials"))
    study.about["name"] = named
    return study


def refuse_unknown(document: Any) -> None:
    """Raise UnreadableError for a stage or ranking in another form."""
    if isinstance(document, dict) and document.keys() >= STAGE:
        raise UnreadableError(UNKNOWN_STAGE)
    if isinstance(document, dict) and "top_k_trials" in document:
        raise UnreadableError(UNKNOWN_RANKING)


# --- Entries -------------------------------------------------------------------------------------


def add_entries(
    study: ResultStudy, entries: list[Any], objectives: list[tuple[str, ...]]
) -> Ranked:
    """Add the trials of entries; return them with their ranks.

    `objectives` has the possible names of each objective, the first one that an entry has counts.
    """
    study.numbered = any(
        isinstance(entry, dict) and first(entry, NUMBER) is not None for entry in entries
    )
    ranked: Ranked = []
    for place, entry in enumerate(entries):
        try:
            plain = plain_entry(entry, objectives)
        except ValueError as error:
            study.damaged.append(f"entry {place}: {error}")
            continue
        if trial := study.add_one(place, plain):
            ranked.append((rank_of(entry), trial))
    return ranked


def plain_entry(entry: Any, objectives: list[tuple[str, ...]]) -> dict[str, Any]:
    """Return an entry in the form of other files. Raises ValueError."""
    if not isinstance(entry, dict):
        raise ValueError("the entry is not a mapping")
    source = "params" if entry.get("params") is not None else "config"
    values = [first(entry, names) for names in objectives]
    is_whole = all(value is not None and value == value for value in values)  # no NaN
    measures = {name: entry[name] for name in (*SCORES, *VALUE) if entry.get(name) is not None}
    if measures.get("value") == values[0]:
        measures.pop("value", None)
    others = {k: v for k, v in entry.items() if k not in {source, "values", *SCORES, *VALUE}}
    return {
        **others,
        "params": params_of(entry.get(source)),
        "state": entry.get("state") or "COMPLETE",
        "user_attrs": {**mapping(entry.get("user_attrs")), **measures},
        "value": values[0] if is_whole else None,
        "values": values if is_whole else [],
    }


def params_of(value: Any) -> dict[str, Any]:
    """Return the parameters of an entry, which may be JSON text. Raises ValueError."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise ValueError("the entry needs params or config, a mapping")
    return value


def rank_of(entry: dict[str, Any]) -> int | None:
    """Return the rank of an entry; None if it has none."""
    rank = entry.get("rank")
    return rank if is_count(rank) else None


def is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and value >= 0


# --- Checks --------------------------------------------------------------------------------------


def check_ranks(study: ResultStudy, ranked: Ranked) -> None:
    """Flag ranks that occur twice or are missing."""
    counts = Counter(rank for rank, _ in ranked if rank is not None)
    for rank, trial in ranked:
        trial.flags += [RANK_TWICE] * (rank is not None and counts[rank] > 1)
    if counts and max(counts) - min(1, *counts) >= len(counts):
        study.flags.append(RANKS_MISSING)


def check_order(ranked: Ranked) -> None:
    """Flag trials with a better score than those of lower ranks."""
    in_order = sorted((rank, place) for place, (rank, _) in enumerate(ranked) if rank is not None)
    lowest = math.inf
    for _, place in in_order:
        trial = ranked[place][1]
        if trial.values:
            trial.flags += [RANK_DIFFERS] * (trial.values[0] > lowest)
            lowest = min(lowest, trial.values[0])


def check_scores(study: ResultStudy, ranked: Ranked) -> None:
    """Flag values that are no scores, and scores that no training gave."""
    for _, trial in ranked:
        is_score = all(0 <= value <= 1 for value in trial.values)
        trial.flags += [] if is_score else [SCORE_OUT_OF_RANGE]
    scores = [trial.values[0] for _, trial in ranked if trial.values]
    if len(scores) > 1 and set(scores) == {SMOKE}:
        study.flags.append(ALL_SMOKE)


def check_front(ranked: Ranked) -> None:
    """Flag trials of a Pareto front than which another one is better."""
    points = {(-t.values[0], *t.values[1:]): t.values for _, t in ranked if t.values}
    best = {points[point] for point in pareto_front(points)}
    for _, trial in ranked:
        trial.flags += [DOMINATED] * (bool(trial.values) and trial.values not in best)


def check_count(study: ResultStudy, named: Any, entries: list[Any]) -> None:
    """Flag a study whose file names another number of entries than it holds."""
    if is_count(named) and named != len(entries):
        study.flags.append(COUNT_DIFFERS.format(named, len(entries)))


def check_total(study: ResultStudy, total: Any) -> None:
    """Flag a study with a trial number beyond the total that the file names."""
    highest = max((t.number for t in study.trials), default=-1)
    if study.numbered and is_count(total) and highest >= total:
        study.flags.append(NUMBER_TOO_HIGH.format(total, highest))
