"""Text of a log never becomes markup, script or a command to the terminal."""

from __future__ import annotations

import io
import json
import os
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from hpogen.report.html_page import page_of, part
from hpogen.report.terminal_report import print_report
from hpogen.report.view import StudyView
from hpogen.scaling.sentences import Scaling
from hpogen.scaling.studies_that_qualify import groups_of
from hpogen.scaling.text import print_scaling
from recover_samples import HOSTILE_TEXTS, SampleLog2, recover
from recover_trials import Study, Trial

EXAMPLES = settings(max_examples=int(os.environ.get("HOSTILE_EXAMPLES", "100")))
MARKUP = (
    "<script>document.title='owned'</script>",
    "</script><img src=x onerror=\"document.title='owned'\">",
    "<a href='https://example.org'>link</a>",
    "<!--<script>",
    "&lt;b&gt;",
    "' onmouseover='x",
    "[bold red]x[/]",
    "\u202eright to left",
)
TEXTS = st.sampled_from([*MARKUP, *HOSTILE_TEXTS]) | st.text(max_size=30)
NUMBERS = st.floats() | st.integers(-(10**400), 10**400) | st.booleans() | st.none()
ANYTHING = st.recursive(NUMBERS | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=5)  # fmt: skip  # noqa: E501
KNOWN = (
    "d_model",
    "n_layers",
    "arch_idx",
    "extreme",
    "collapsed",
    "config_id",
    "seconds",
    "rerun_of",
)
NAMES = st.sampled_from([*KNOWN, "auc", "ended_by", "train_flops"]) | TEXTS
ABOUT = ("budget", "horizon", "task", "baselines", "free_axes", "search_space", "unit", "seed")


@st.composite
def trials(draw: Any, number: int) -> Trial:
    """Return a trial with any values."""
    values = draw(st.lists(st.floats(), max_size=2) | st.just([0.5]))
    return Trial(
        number,
        draw(st.sampled_from(["COMPLETE", "COMPLETE", "PRUNED", "FAIL", "RUNNING"])),
        tuple(values),
        params=draw(st.dictionaries(NAMES, ANYTHING, max_size=3)),
        user_attrs=draw(st.dictionaries(NAMES, ANYTHING | st.integers(1, 9), max_size=6)),
        intermediate_values=draw(st.dictionaries(st.integers(0, 9), st.floats(), max_size=3)),
    )


@st.composite
def studies(draw: Any) -> Study:
    """Return a study with any texts and values."""
    about = draw(st.dictionaries(st.sampled_from([*ABOUT, "metric"]), ANYTHING, max_size=4))
    about["direction"] = draw(st.sampled_from(["minimize", "maximize", None]))
    rows = {number: [draw(trials(number))] for number in range(draw(st.integers(1, 5)))}
    return Study("key", draw(TEXTS), draw(TEXTS), about, trials=rows)


class Elements(HTMLParser):
    """The elements of a page, and the texts of its script elements."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.scripts and self.lasttag == "script":
            self.scripts[-1] += data


def elements_of(page: str) -> Elements:
    """Return the elements of a page."""
    found = Elements()
    found.feed(page)
    return found


TEMPLATE = part("page.html")
OWN_TAGS = {*re.findall(r"<([a-z]+\d?)", TEMPLATE), "meta"}
OWN_ATTRIBUTES = {*re.findall(r" ([a-z-]+)=", TEMPLATE), "name", "content"}


@EXAMPLES
@given(st.lists(studies(), min_size=1, max_size=2), st.lists(TEXTS, max_size=2))
def test_any_study_is_a_page_of_our_elements_alone(
    found: list[Study], findings: list[str]
) -> None:
    page = page_of([StudyView(study) for study in found], findings, "")
    elements = elements_of(page)
    assert set(elements.tags) <= OWN_TAGS
    assert elements.attributes <= OWN_ATTRIBUTES
    assert elements.tags.count("script") == 3
    figures = json.loads(elements.scripts[0])
    assert all("<" not in text for text in plain_texts(figures))


def plain_texts(value: Any) -> list[str]:
    """Return the texts in JSON without the two tags that the report itself gives to plotly."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in plain_texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in plain_texts(item)]
    return [re.sub("<br>|</?b>", "", value)] if isinstance(value, str) else []


@EXAMPLES
@given(st.lists(studies(), min_size=1, max_size=2))
def test_any_study_is_text_that_leaves_the_terminal_alone(found: list[Study]) -> None:
    output = io.StringIO()
    console = Console(file=output, width=120, highlight=False, markup=False, emoji=False)
    print_report(console, [StudyView(study) for study in found], [])
    assert all(c.isprintable() or c == "\n" for c in output.getvalue())


SIZES = st.floats(1, 1e150) | st.integers(1, 10**18) | ANYTHING
LOSSES = st.floats(min_value=0, exclude_min=True) | st.floats(0.1, 10)


@st.composite
def ladders(draw: Any) -> list[Study]:
    """Return studies of a task, whose sizes and losses have any value."""
    about = draw(st.dictionaries(st.sampled_from([*ABOUT, "settings"]), ANYTHING, max_size=2))
    found = []
    for index, name in enumerate(draw(st.lists(TEXTS, min_size=3, max_size=6))):
        stated = {**about, "direction": "minimize", "budget": 10 ** (index + 3)}
        sizes = {"param_count": draw(SIZES), "train_flops": draw(SIZES), "train_seconds": 1.0}
        trial = Trial(9, "COMPLETE", (draw(LOSSES),), params={"lr": draw(SIZES)}, user_attrs=sizes)
        found.append(Study(str(index), name, name, stated, trials={9: [trial] * 6}))
    return found


@settings(EXAMPLES, max_examples=EXAMPLES.max_examples // 4)
@given(ladders())
def test_any_law_is_text_and_a_page_of_our_elements_alone(found: list[Study]) -> None:
    views = [StudyView(study) for study in found]
    keep = ("collapsed", "baseline", "edge", "unconverged", "data")
    laws = [Scaling(group, hours=1.0) for group in groups_of(views, keep)]
    elements = elements_of(page_of(views, [], "", laws))
    assert set(elements.tags) <= OWN_TAGS
    assert elements.attributes <= OWN_ATTRIBUTES
    json.loads(elements.scripts[0], parse_constant=int)
    output = io.StringIO()
    print_scaling(Console(file=output, width=120, highlight=False, markup=False, emoji=False), laws, [])  # fmt: skip  # noqa: E501
    assert all(c.isprintable() or c == "\n" for c in output.getvalue())


@pytest.mark.parametrize("text", MARKUP)
def test_names_in_a_log_stay_text(text: str) -> None:
    log = SampleLog2()
    log.open_run(name=text, task=text, baselines={text: {"val_loss": 0.9}}, metric="val_loss")
    log.start(0)
    log.end(0, extreme=text, ended_by=text)
    recovery = recover(log.lines)
    page = page_of([StudyView(study) for study in recovery.studies], [text], "")
    elements = elements_of(page)
    assert set(elements.tags) <= OWN_TAGS
    assert elements.tags.count("script") == 3
