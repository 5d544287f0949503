"""The report as one page in HTML, with everything that it needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from hpogen.errors import MissingDependencyError
from hpogen.report.costs import cost_lines
from hpogen.report.final_result import GAIN_HEAD, gains
from hpogen.report.importance import importances_of
from hpogen.report.objectives import front_table
from hpogen.report.smoothed import smoothed_of, smoothed_sentence
from hpogen.report.study_pictures import pictures
from hpogen.report.study_verdict import verdicts
from hpogen.report.tables import best_table, comparison
from hpogen.report.view import StudyView, progress_of

if TYPE_CHECKING:
    from hpogen.scaling.sentences import Scaling

INSTALL = "python -m pip install 'hpogen[report]'"
GENERATOR = '<meta name="generator" content="hpogen report">'


def page_of(
    views: Sequence[StudyView],
    findings: Sequence[str],
    plotly: str,
    laws: Sequence[Scaling] = (),
) -> str:
    """Return the page; `plotly` is the source of plotly.js."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    studies = [study_parts(index, view) for index, view in enumerate(views)]
    laws_shown = [law_parts(index, law) for index, law in enumerate(laws)]
    figures = {
        f"{part['id']}-{picture.key}": {"data": picture.data, "layout": picture.layout}
        for part in [*laws_shown, *studies]
        for picture in part["pictures"]
    }
    return environment.from_string(part("page.html")).render(
        generator=own(GENERATOR),
        title=views[0].name if len(views) == 1 else f"{len(views)} studies",
        studies=studies,
        laws=laws_shown,
        comparison=comparison(views) if len(views) > 1 else None,
        findings=findings,
        css=own(part("page.css")),
        js=own(part("page.js")),
        plotly=own(plotly),
        figures=script_json(figures),
    )


def part(name: str) -> str:
    """Return a file of this package."""
    return resources.files("hpogen.report").joinpath(name).read_text(encoding="utf-8")


def plotly_js() -> str:
    """Return the source of plotly.js. Raises MissingDependencyError."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise MissingDependencyError(f"--html needs plotly; install it with: {INSTALL}") from None
    return str(get_plotlyjs())


def script_json(value: Any) -> Markup:
    """Return JSON that cannot end the script element which holds it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return own(text)


def own(text: str) -> Markup:
    """Return text that the page holds as it is: it is not of a log, or made safe."""
    return Markup(text)  # noqa: S704


def law_parts(index: int, law: Scaling) -> dict[str, Any]:
    """Return the section of a scaling law in the page."""
    from hpogen.scaling.pictures import scaling_pictures
    from hpogen.scaling.sentences import left_out_lines, sized

    fitted = not law.main.refusal
    return {
        "id": f"law-{index}",
        "title": law.title,
        "about": sized(law),
        "verdicts": law.verdicts,
        "cells": law.cells_table if law.group.cells and law.by_budget else None,
        "remarks": law.group.remarks,
        "left_out": left_out_lines(law),
        "surface": law.surface.laws_table if law.surface and law.surface.fits else None,
        "equal_compute": law.surface.budgets_table if law.surface else None,
        "exponents": law.exponents_table if fitted else None,
        "transfer": law.transfer_table,
        "transfer_caption": law.transfer_caption,
        "plans": law.plans_table if fitted and law.plans else None,
        "plans_caption": law.plans_caption if fitted and law.hours else "",
        "bets": law.bets,
        "pictures": scaling_pictures(law),
    }


def study_parts(index: int, view: StudyView) -> dict[str, Any]:
    """Return the section of a study in the page."""
    importances, no_importance = importances_of(view)
    smoothed, why_not = smoothed_of(view)
    return {
        "id": f"study-{index}",
        "name": view.name,
        "about": [*view.about, progress_of(view)],
        "verdicts": verdicts(view),
        "gains": (GAIN_HEAD, [gain.cells for gain in gains(view)]),
        "states": view.states,
        "integrity": view.integrity,
        "best": best_table(view, smoothed) if view.ranking and view.sign else None,
        "front": front_table(view),
        "smoothed": smoothed_sentence(view, smoothed) if smoothed else why_not,
        "costs": cost_lines(view),
        "pictures": pictures(view, importances),
        "no_importance": no_importance if len(view.finished) > 1 else "",
    }
