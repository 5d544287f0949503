"""The page in a browser: every picture is drawn, nothing of a log becomes an element."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from children import child
from hpogen.cli import main
from recover_samples import SampleLog2
from scripts import MARKET, changed, log_of, render_to, run

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = [
    pytest.mark.study,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium (Debian: chromium)"),
]
PICTURES = {"history", "curves", "parallel", "grid", "costs"}


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Load a page in a browser without a window and with a profile of its own."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += [f"--user-data-dir={page.parent / 'profile'}", "--window-size=1200,1000"]
    command += ["--virtual-time-budget=30000", "--enable-logging=stderr", *options]
    done = subprocess.run(
        child(*command, page.as_uri()), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


class Drawn(HTMLParser):
    """The marks of each picture, the texts beside them, and all elements of a page."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.marks: dict[str, list[str]] = defaultdict(list)
        self.texts: dict[str, list[str]] = defaultdict(list)
        self.tags: set[str] = set()
        self.title, self.plot, self.depth, self.tag = "", "", 0, ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tag = tag
        self.tags.add(tag)
        if "plot" in values.get("class", "").split() and tag == "div":
            self.plot, self.depth = values["id"].partition("-")[2].partition("-")[2], 0
            self.marks[self.plot] += []
        if tag == "div":
            self.depth += 1
        shape = values.get("d", "")
        if self.plot and tag == "path" and re.search("point|js-line", values.get("class", "")):
            self.marks[self.plot].append(shape)

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self.depth -= 1
            self.plot = self.plot if self.depth > 0 else ""

    def handle_data(self, data: str) -> None:
        if self.tag == "title":
            self.title += data
        if self.plot and self.tag in ("text", "tspan"):
            self.texts[self.plot].append(data)

    @property
    def empty(self) -> set[str]:
        """Return the pictures without a mark."""
        return {name for name, marks in self.marks.items() if not any(marks)}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, sp500_file: Path) -> Path:
    """Return the report of a real study with a repeated configuration."""
    folder = tmp_path_factory.mktemp("reported")
    config = changed(
        MARKET,
        study={"n_trials": 12},
        splits={"train_subset": 0.1},
        data={"data_path": str(sp500_file)},
    )
    script = render_to(folder, config)
    twice = [{"shape_idx": 0, "n_heads_idx": 0, "learning_rate": 0.003, "dropout": 0.1}] * 2
    (folder / "twice.json").write_text(json.dumps(twice))
    done = run(script, "--enqueue", "twice.json")
    assert done.returncode == 0, done.stderr
    report = folder / "report.html"
    told = CliRunner().invoke(main, ["report", str(log_of(script)), "--html", str(report)])
    assert told.exit_code == 0, told.output
    return report


def test_every_picture_of_a_real_study_is_drawn(page: Path) -> None:
    done = browse(page, "--dump-dom")
    drawn = Drawn(done.stdout)
    assert set(drawn.marks) == PICTURES
    assert drawn.empty == set()
    assert "NaN" not in "".join(shape for marks in drawn.marks.values() for shape in marks)
    assert "CONSOLE" not in done.stderr
    for picture, axis in (("history", "val_loss"), ("curves", "epoch"), ("grid", "d_model")):
        assert axis in drawn.texts[picture]
    assert "class prior" in " ".join(drawn.texts["history"])


def test_a_report_of_a_study_names_gaps_and_noise(page: Path) -> None:
    text = page.read_text()
    assert "Seed noise: SD" in text
    assert "over 3 reruns of trial" in text
    assert "rerun with another seed" in text
    assert re.search(r"\d of \d shapes tried", text)
    assert "--arch-list" not in text  # the script beside the log has the grid


def test_an_empty_picture_is_noticed(page: Path) -> None:
    start, end = '<script type="application/json" id="figures">', "</script>"
    before, _, rest = page.read_text().partition(start)
    figures, _, after = rest.partition(end)
    content = json.loads(figures)
    content["study-0-curves"]["data"] = []
    blank = page.with_name("blank.html")
    blank.write_text(f"{before}{start}{json.dumps(content)}{end}{after}")
    assert Drawn(browse(blank, "--dump-dom").stdout).empty == {"curves"}


def test_nothing_of_a_log_becomes_an_element(tmp_path: Path) -> None:
    owned = "document.title='owned'"
    text = f'</script><img src=x onerror="{owned}"><a href="https://example.org">x</a>'
    log = SampleLog2()
    log.open_run(name=text, task=text, baselines={text: {"val_loss": 0.9}}, unit=text)
    for number, dropout in enumerate((0.1, 0.2)):
        log.start(number)
        log.evaluate(number, 1, val_loss=0.9)
        log.evaluate(number, 2, val_loss=0.5 + dropout)
        log.end(number, value=0.5 + dropout, extreme=text, dropout=dropout)
    source, report = tmp_path / "a.log", tmp_path / "report.html"
    source.write_text("".join(f"{line}\n" for line in log.lines))
    told = CliRunner().invoke(main, ["report", str(source), "--html", str(report)])
    assert told.exit_code == 0, told.output
    drawn = Drawn(browse(report, "--dump-dom").stdout)
    assert drawn.empty == set()
    assert drawn.title.startswith("</script><img")
    assert {"img", "a"} & drawn.tags == set()


def test_the_page_is_printed_with_its_pictures(page: Path) -> None:
    printed = page.with_suffix(".pdf")
    browse(page, f"--print-to-pdf={printed}")
    assert printed.read_bytes().startswith(b"%PDF")
    assert printed.read_bytes().count(b"/Type /Page\n") >= 3


def test_pictures_are_written_as_files(page: Path) -> None:
    pytest.importorskip("kaleido", reason="kaleido is not installed")
    (log,) = (page.parent / "logs").glob("*.log")
    folder = page.parent / "pictures"
    told = CliRunner().invoke(main, ["report", str(log), "--png", str(folder)])
    assert told.exit_code == 0, told.output
    files = [Path(line) for line in told.stdout.splitlines()]
    assert sorted(files) == sorted(folder.iterdir())
    assert {file.stem.rpartition("_")[2] for file in files} == PICTURES
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
