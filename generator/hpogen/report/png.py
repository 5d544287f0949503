"""The pictures of a report as files, drawn by plotly.js in a Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpogen.errors import MissingDependencyError, UsageError
from hpogen.files import shown_path
from hpogen.report.importance import importances_of
from hpogen.report.plotly_figure import Picture
from hpogen.report.study_pictures import pictures
from hpogen.report.view import StudyView

if TYPE_CHECKING:
    from hpogen.scaling.sentences import Scaling

INSTALL = (
    "--png needs plotly and kaleido; install them with: python -m pip install 'hpogen[report]'"
)
BROWSER = "--png needs a Chromium or Chrome; install one with: apt-get install chromium"
LAYOUT = {
    "template": "plotly_white",
    "margin": {"t": 150},
    "legend": {"orientation": "h", "y": -0.2},
}
TOP = {"yref": "container", "y": 0.9, "yanchor": "bottom"}
WIDTH = 900  # pixels, twice as many in the file


def write_pngs(
    views: Sequence[StudyView], folder: Path, laws: Sequence[Scaling] = ()
) -> list[Path]:
    """Write the pictures of studies and laws to a folder; return their paths.

    Raises HpogenError.
    """
    try:
        import kaleido  # noqa: F401  plotly needs it to write images
        from plotly.io import write_images
    except ImportError:
        raise MissingDependencyError(INSTALL) from None
    figures: list[dict[str, Any]] = []
    paths: list[Path] = []
    sizes: list[tuple[int, int]] = []
    for name, picture in named_pictures(views, laws):
        title = {"text": picture.title, "subtitle": {"text": picture.subtitle}, **TOP}
        layout = {**picture.layout, **LAYOUT, "title": title}
        figures.append({"data": picture.data, "layout": layout})
        paths.append(folder / f"{name}.png")
        sizes.append((max(WIDTH, picture.least_width), picture.height + 160))
    if not figures:
        return []
    widths, heights = zip(*sizes, strict=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_images(figures, paths, width=list(widths), height=list(heights), scale=2)
    except RuntimeError:
        raise MissingDependencyError(BROWSER) from None
    except OSError as error:
        raise UsageError(f"--png {shown_path(folder)}: {error.strerror or error}") from None
    return paths


def named_pictures(
    views: Sequence[StudyView], laws: Sequence[Scaling]
) -> Iterator[tuple[str, Picture]]:
    """Yield the names of files and what they show, laws first."""
    for law in laws:
        from hpogen.scaling.pictures import scaling_pictures

        for picture in scaling_pictures(law):
            yield f"scaling_{file_name(law.title)}_{picture.key}", picture
    for index, view in enumerate(views):
        prefix = file_name(view.name)
        if len(views) > 1:
            prefix = f"{index + 1}_{prefix}"
        for picture in pictures(view, importances_of(view)[0]):
            yield f"{prefix}_{picture.key}", picture


def file_name(text: str) -> str:
    """Return text as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:80].lstrip(".") or "study"
