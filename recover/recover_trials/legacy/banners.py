"""Lines of runners that name the experiment of the trials behind them."""

from __future__ import annotations

from typing import NamedTuple

from recover_trials.patterns import pattern

LINE = pattern(
    r"\[\d{1,6}/\d{1,6}\]\s+(?:(?P<verb>Starting|Running HPO|Running|PASSED|FAILED|PASS|FAIL"
    r"|Skipping|Skipped|SKIP|Completed|Finished):?\s+(?P<named>[^\s:]+)"
    r"|(?P<bare>hpo_\w[\w.-]*?\.py)\b)"
    r"|(?:^|\s)Running HPO: (?P<alone>[\w./-]+)"
)
ENDS = {"PASSED", "FAILED", "PASS", "FAIL", "Completed", "Finished"}
SKIPS = {"Skipping", "Skipped", "SKIP"}


class Banner(NamedTuple):
    """An experiment begins, or ends; `resumes` if a script of its own goes on with it."""

    experiment: str
    begins: bool
    resumes: bool = False


def read_line(text: str) -> tuple[Banner, int] | None:
    """Return what a runner says, and where; None for what changes nothing, such as a skip."""
    match = LINE.search(text)
    if match is None or match["verb"] in SKIPS:
        return None
    script = match["named"] or match["bare"] or match["alone"]
    stem = script.rstrip("/.").rpartition("/")[2].removesuffix(".py")
    experiment = stem.removesuffix("_resume").removesuffix("-resume")
    return Banner(experiment, match["verb"] not in ENDS, experiment != stem), match.start()
