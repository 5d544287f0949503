"""Next configuration: extremes, warm start, --enqueue, the sampler, and reruns at the end."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from hpo_script.constants import DIRECTION, EXTREME_INDICES, N_CONFIRM, N_NOISE, WARM_START
from hpo_script.experiment.space import SPACE, searched_params
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial

FEWEST_TRIALS = 10  # of a study that reruns its best trials


def given_params(
    number: int, study: LoggedStudy, arguments: Namespace
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Return the parameters of a trial that the sampler does not draw, and the trial's kind."""
    if number < len(EXTREME_INDICES):
        arch_idx, ends = list(EXTREME_INDICES.items())[number]
        kind = "smoke" if arguments.smoke else "extreme"
        return SPACE.encode(arch_idx), {"kind": kind, "extreme": ends}
    for known in WARM_START[number - len(EXTREME_INDICES) :][:1]:
        config = dict(known)
        return {**SPACE.encode(config.pop("arch_idx")), **config}, {"kind": "warm_start"}
    used = {trial.attributes.get("enqueued_id") for trial in study.trials.values()}
    for enqueued_id, params in study.enqueued.items():
        if enqueued_id not in used:
            return params, {"kind": "enqueued", "enqueued_id": enqueued_id}
    started = {n for n, trial in study.trials.items() if trial.attributes}
    after = len({*range(number + 1, arguments.n_trials)} - started)
    plan = reruns(study) if arguments.n_trials >= FEWEST_TRIALS else []
    if after < len(plan):  # the last ones
        kind, best = plan[-1 - after]
        return searched_params(best.attributes), {"kind": kind, "rerun_of": best.number}
    return {}, {"kind": "search"}


def reruns(study: LoggedStudy) -> list[tuple[str, LoggedTrial]]:
    """Return the reruns that a study lacks, (kind, trial): each of the best, then the best one."""
    known = [(t.attributes.get("kind"), t.rerun_of) for t in study.trials.values()]
    ranked = study.ranked(DIRECTION)
    plan = [("confirm", t) for t in ranked[:N_CONFIRM] if ("confirm", t.number) not in known]
    for best in ranked[:1]:
        plan += [("noise", best)] * (N_NOISE - known.count(("noise", best.number)))
    return plan
