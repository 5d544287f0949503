"""All pictures of a study."""

from __future__ import annotations

from collections.abc import Sequence

from hpogen.report.cost_picture import costs
from hpogen.report.coverage import coverage_of
from hpogen.report.final_result import reliability
from hpogen.report.grid_picture import grid
from hpogen.report.importance import Importance
from hpogen.report.objectives import objectives
from hpogen.report.plotly_figure import Picture
from hpogen.report.progress_pictures import curves, history
from hpogen.report.setting_pictures import importance, parallel
from hpogen.report.view import StudyView


def pictures(view: StudyView, importances: Sequence[Importance]) -> list[Picture]:
    """Return the pictures of a study, those that its log has data for."""
    coverage = coverage_of(view)
    found = [reliability(view), history(view), objectives(view), curves(view), parallel(view)]
    found += [importance(importances), grid(view, coverage) if coverage else None, costs(view)]
    return [picture for picture in found if picture]
