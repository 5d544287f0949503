"""Banners: lines of runners that name the experiment of the next trials."""

from __future__ import annotations

import re
from typing import NamedTuple

LINE = re.compile(
    r"\[\d{1,6}/\d{1,6}\]\s+(?:(?P<verb>Starting|Running HPO|Running|PASSED|FAILED|PASS|FAIL"
    r"|Skipping|Skipped|SKIP|Completed|Finished):?\s+(?P<named>[^\s:]+)"
    r"|(?P<bare>hpo_\w[\w.-]*?\.py)\b)"
    r"|(?:^|\s)Running HPO: (?P<alone>[\w./-]+)"
)
ENDS = {"PASSED", "FAILED", "PASS", "FAIL", "Completed", "Finished"}
SKIPS = {"Skipping", "Skipped", "SKIP"}


class Banner(NamedTuple):
    """The start or end of an experiment; `resumes` if a separate script resumes it."""

    experiment: str
    begins: bool
    resumes: bool = False


def parse_banner(text: str) -> tuple[Banner, int] | None:
    """Return the banner in a line, and its position; None for other lines, such as a skip."""
    match = LINE.search(text)
    if match is None or match["verb"] in SKIPS:
        return None
    script = match["named"] or match["bare"] or match["alone"]
    stem = script.rstrip("/.").rpartition("/")[2].removesuffix(".py")
    experiment = stem.removesuffix("_resume").removesuffix("-resume")
    return Banner(experiment, match["verb"] not in ENDS, experiment != stem), match.start()
