"""Report: the results on the test split as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def report(result: Mapping[str, Any]) -> str:
    """Return the results as text, the verdict last."""
    lines = [f"test split: {result['test_samples']} samples; ±: standard deviation over the seeds"]
    for place, found in enumerate(result["results"]):
        chosen = ", chosen on validation" if place == result["chosen"] else ""
        lines += ["", f"{', '.join(found['trainings'])}{chosen}", *result_lines(found)]
    lines += ["", "baselines"]
    for name, values in result["baselines_on_test"].items():
        shown = ", ".join(f"{measure} {value:.4f}" for measure, value in values.items())
        lines.append(f"  {name}: {shown}")
    lines += ["", *gain_lines(result), *table_lines(result)]
    if result["evaluation_number"] > 1:
        number = result["evaluation_number"]
        lines += ["", f"EVALUATION {number}: the test split was read before, see the log"]
    lines += ["", f"verdict, by {result['measure']}: {result['verdict']}"]
    return "\n".join(lines)


def result_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield mean and standard deviation over the seeds of a configuration."""
    known = found["validation"]
    yield f"  validation {known['metric']} {known['mean']:.4f} ± {known['sd']:.4f}"
    for measure, values in found["test"].items():
        yield f"  {measure} {values['mean']:.4f} ± {values['sd']:.4f}"


def gain_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield the gain over each baseline."""
    about = result["bootstrap"]
    yield (
        f"gain over each baseline, {about['confidence']:.0%} interval"
        f" ({about['resamples']} resamples of {about['of']})"
    )
    for gain in result["comparisons"]:
        interval = f"{gain['value']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
        by = f" by {gain['value']:.4f} [{gain['low']:.4f}, {gain['high']:.4f}]"
        yield f"  {gain['measure']} {interval}: {gain['verdict'].removesuffix(by)}"


def table_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield the reliability table, if the task has one."""
    rows = result["reliability"]
    if rows:
        yield ""
        yield f"reliability of {result['best_training']}, calibrated on validation"
        yield "  from  to    samples  predicted  observed"
    for row in rows:
        ends = f"{row['from']:.2f}  {row['to']:.2f}"
        rates = f"{row['predicted']:9.3f}  {row['observed']:8.3f}"
        yield f"  {ends}  {row['samples']:7}  {rates}"
