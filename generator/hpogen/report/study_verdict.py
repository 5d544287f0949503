"""Verdict on a study, in sentences; faults of its best trial come first."""

from __future__ import annotations

from typing import NamedTuple

from hpogen.report.final_result import verdict_sentence
from hpogen.report.view import Baseline, StudyView
from hpogen.report.words import finite, listed, plural, text_of
from recover_trials import Trial


class Verdict(NamedTuple):
    """A sentence; `kind` is bad, good or note."""

    kind: str
    sentence: str


def verdicts(view: StudyView) -> list[Verdict]:
    """Return the sentences about a study, the most serious first."""
    tested = verdict_sentence(view)
    sentences = [Verdict(*tested)] if tested else []
    best = view.best
    if best is None:
        return [*sentences, Verdict("note", without_best(view))]
    missed = [baseline for baseline in view.baselines if not baseline.beaten]
    faults = [COLLAPSED.format(best.number)] if best.user_attrs.get("collapsed") is True else []
    faults += [below(best, missed)] if missed else []
    sentences += [Verdict("bad", fault) for fault in faults]
    has_baseline = any(baseline.reached is not None for baseline in view.baselines)
    is_good = has_baseline and not faults and not missed_by_reruns(view)
    sentences.append(Verdict("good" if is_good else "note", lead(view, best)))
    if not view.baselines:
        sentences.append(Verdict("note", "The log has no baselines to compare with."))
    sentences.append(rerun_verdict(view) or Verdict("note", seed_noise(view, best)))
    notes = [*collapsed_others(view), *unfinished(view)]
    return sentences + [Verdict("note", text) for text in notes]


COLLAPSED = (
    "Trial {0}, the best, is collapsed: it predicts one class, or nearly the same number, for"
    " every sample."
)


def without_best(view: StudyView) -> str:
    """Return a sentence that explains why no trial is the best."""
    if not view.has_results:
        return f"No trial has finished: {', '.join(view.states)}."
    if any(len(trial.values) > 1 for trial in view.study.rows):
        return "The trials have several objectives, so no single trial is the best."
    if not view.finished:
        return "No trial has a finite value."
    if named := view.study.named_best:
        number, value = named
        return f"Trial {number} is the best with {text_of(value)}, but its own line is missing."
    return "The log does not show whether a lower or a higher value is better."


def below(best: Trial, missed: list[Baseline]) -> str:
    """Return a sentence about the baselines that the best trial does not beat."""
    return f"Trial {best.number}, the best, is not better than {compared(missed)}."


def lead(view: StudyView, best: Trial) -> str:
    """Return a sentence about the best trial and the baselines that it beats."""
    total = plural(len(view.finished), "complete trial")
    text = f"Trial {best.number} is the best of {total}: {view.metric} {text_of(best.value)}"
    beaten = [b for b in view.baselines if b.beaten and b.reached is not None]
    return f"{text}, better than {compared(beaten)}." if beaten else f"{text}."


def compared(baselines: list[Baseline]) -> str:
    """Return baselines, each with the metric of the best trial and its own."""
    parts = [
        f"{b.name} ({b.metric} {text_of(b.reached)} against {text_of(b.value)})" for b in baselines
    ]
    return listed(parts)


def rerun_verdict(view: StudyView) -> Verdict | None:
    """Say what the reruns of the best trial show; None without reruns."""
    if not (noise := view.rerun_noise):
        return None
    is_more = noise["lead"] > 2 * noise["sd"]
    near = plural(noise["within_sd"], "other trial")
    sentence = (
        f"Seed noise: SD {noise['sd']:.2g} over {noise['reruns']} reruns of trial"
        f" {noise['rerun_of']} with other seeds. Their mean, {text_of(noise['mean'])}, is"
        f" {abs(noise['lead']):.2g} {'better' if noise['lead'] > 0 else 'worse'} than the"
        f" median trial, {'more' if is_more else 'not more'} than seed noise (2 SD). {near} within"
        " one SD of the best."
    )
    if missed := missed_by_reruns(view):
        sentence += f" The mean of the reruns is not better than {listed(missed)}."
    return Verdict("note" if is_more and not missed else "bad", sentence)


def missed_by_reruns(view: StudyView) -> list[str]:
    """Return the baselines that the mean of the reruns does not beat, each with its value.

    The value of the best trial was chosen among many, that of its reruns was not.
    """
    if not (noise := view.rerun_noise):
        return []
    same = [baseline for baseline in view.baselines if baseline.metric == view.metric]
    missed = [b for b in same if view.sign * noise["mean"] >= view.sign * b.value]
    return [f"{b.name} ({b.metric} {text_of(b.value)})" for b in missed]


def seed_noise(view: StudyView, best: Trial) -> str:
    """Return a sentence that compares the noise of the seed with the lead of the best trial."""
    noise, lead = view.noise, lead_over_next(view, best)
    if noise is None:
        return f"{view.why_no_noise} Trials with close values may differ by chance."
    text = (
        f"Seed noise: SD {text_of(noise.deviation)} over"
        f" {plural(noise.configurations, 'configuration')} trained {noise.trials} times"
    )
    if lead is None:
        return f"{text}."
    word = "within" if lead < 2 * noise.deviation else "beyond"
    return f"{text}; the lead over the next configuration, {text_of(lead)}, is {word} two SD."


def lead_over_next(view: StudyView, best: Trial) -> float | None:
    """Return the lead of the best trial over the best one of another configuration."""
    config = best.user_attrs.get("config_id")
    others = (t for t in view.ranking if t.user_attrs.get("config_id") != config)
    following = next(others, None)
    return None if following is None else abs(following.values[0] - best.values[0])


def collapsed_others(view: StudyView) -> list[str]:
    """Return a sentence with the number of collapsed trials; none without such trials."""
    number = sum(trial.user_attrs.get("collapsed") is True for trial in view.finished)
    return (
        [f"{number} of {plural(len(view.finished), 'complete trial')} collapsed."]
        if number
        else []
    )


def unfinished(view: StudyView) -> list[str]:
    """Return a sentence about the progress of an unfinished study; none for a finished one."""
    ended = sum(trial.state != "RUNNING" for trial in view.study.rows)
    if view.total is None or ended >= view.total:
        return []
    return [f"The study is not finished: {ended} of {view.total} trials have ended."]


def short_verdict(view: StudyView) -> tuple[str, str]:
    """Return (kind, short text) for a table of studies."""
    if tested := verdict_sentence(view):
        return tested[0], text_of(view.study.test_result.get("verdict"))
    if view.best is None:
        return "note", "no best trial"
    if view.best.user_attrs.get("collapsed") is True:
        return "bad", "collapsed"
    missed = dict.fromkeys(item.name for item in view.baselines if not item.beaten)
    if missed:
        return "bad", f"not better than {' and '.join(missed)}"
    if not view.baselines:
        return "note", "no baseline"
    if missed_by_reruns(view):
        return "bad", "not better in its reruns"
    return "good", "better than its baselines"


def margin(view: StudyView) -> tuple[str, float, float] | None:
    """Return (name, value, lead) of the hardest baseline in the study's metric."""
    same = [b for b in view.baselines if b.metric == view.metric and b.reached is not None]
    if not same or view.best is None:
        return None
    hardest = min(same, key=lambda baseline: view.sign * baseline.value)
    best = finite(view.best.value) or 0.0
    return hardest.name, hardest.value, view.sign * (hardest.value - best)
