"""The command line: what is typed, what comes out, and the exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hpogen.cli import main


def hpogen(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def script(tmp_path: Path) -> Path:
    done = hpogen("render", "--budget", "2M", "--horizon", "1", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    return tmp_path / "hpo_2M_h1.py"


def test_render_writes_a_script_and_prints_its_path(tmp_path: Path) -> None:
    done = hpogen("render", "--budget", "20M", "--horizon", "3", "--out", tmp_path / "new")
    assert done.stdout == f"{tmp_path}/new/hpo_20M_h3.py\n"
    path = tmp_path / "new" / "hpo_20M_h3.py"
    assert path.read_text().startswith("#!/usr/bin/env python3\n")
    assert path.stat().st_mode & 0o111
    assert {p.name for p in path.parent.iterdir()} == {"hpo_20M_h3.py", ".hpogen.lock"}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--budget", "2000000", "--horizon", "1"], "hpo_2M_h1"),
        (["--budget", "2M", "--horizon", "1", "--task", "threshold_1pct"],
         "hpo_2M_h1_threshold_1pct"),
        (["--budget", "2M", "--horizon", "1", "--task", "threshold_0.5pct"],
         "hpo_2M_h1_threshold_0p5pct"),
        (["--budget", "2M", "--task", "byte_lm"], "hpo_2M_byte_lm"),
    ],
)  # fmt: skip
def test_a_script_is_named_by_what_it_searches(
    arguments: list[str], name: str, tmp_path: Path
) -> None:
    done = hpogen("render", *arguments, "--out", tmp_path)
    assert done.stdout == f"{tmp_path}/{name}.py\n"


def test_rendering_again_changes_nothing_and_an_edited_script_is_kept(script: Path) -> None:
    again = ["render", "--budget", "2M", "--horizon", "1", "--out", script.parent]
    assert hpogen(*again).exit_code == 0
    script.write_text(script.read_text() + "# mine\n")
    refused = hpogen(*again)
    assert refused.exit_code == 2
    assert "was edited" in refused.stderr
    assert script.read_text().endswith("# mine\n")
    assert hpogen(*again, "--force").exit_code == 0
    assert not script.read_text().endswith("# mine\n")


def test_a_script_of_another_configuration_is_kept_and_its_keys_are_named(script: Path) -> None:
    other = ["render", "--budget", "2M", "--horizon", "1", "--n-trials", "9", "--out"]
    before = script.read_bytes()
    refused = hpogen(*other, script.parent)
    assert refused.exit_code == 2
    assert "study.n_trials was 50, is 9" in refused.stderr
    assert all(way in refused.stderr for way in ("--force", "--out", "--stdout"))
    assert script.read_bytes() == before
    assert hpogen(*other, script.parent, "--force").exit_code == 0
    assert b"N_TRIALS = 9 " in script.read_bytes()


def test_at_most_three_differing_keys_are_named(script: Path) -> None:
    sets = ("fixed.epochs=5", "fixed.patience=2", "study.seed=7", "tolerance=0.3")
    arguments = [argument for text in sets for argument in ("--set", text)]
    render = ["render", "--budget", "2M", "--horizon", "1", "--out", script.parent]
    message = hpogen(*render, *arguments).stderr
    assert message.count(" was ") == 3
    assert "more key" in message


def test_a_foreign_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "hpo_2M_h1.py"
    path.write_bytes(b"\xff mine")
    done = hpogen("render", "--budget", "2M", "--horizon", "1", "--out", tmp_path)
    assert done.exit_code == 2
    assert path.read_bytes() == b"\xff mine"


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = hpogen("render", "--budget", "2M", "--horizon", "1", "--out", tmp_path / "file")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.output


def test_check_accepts_what_was_rendered(script: Path) -> None:
    done = hpogen("check", script)
    assert (done.exit_code, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("HORIZON = 1 ", "HORIZON = 3 ", "+HORIZON = 3 "),
        ("SEED = 42", "SEED = 43", "+SEED = 43"),
        ('"params": 2147653', '"params": 2147652', '"params": 2147652'),
        ("class StudySampler", "class StudySampler2", "+class StudySampler2"),
        ("    return auc", "    return auc", None),
    ],
)
def test_check_shows_a_changed_constant_and_a_stale_part(
    script: Path, old: str, new: str, shown: str | None
) -> None:
    text = script.read_text()
    script.write_text(text.replace(old, new, 1))
    done = hpogen("check", script)
    assert done.exit_code == (0 if shown is None else 1)
    assert (shown or "") in done.stdout


@pytest.mark.parametrize("tail", ["\n", " ", "# x", "\nx = 1\n"])
def test_check_catches_anything_added_at_the_end(script: Path, tail: str) -> None:
    script.write_text(script.read_text() + tail)
    assert hpogen("check", script).exit_code == 1


def test_check_catches_a_cut_end_and_other_line_ends(script: Path) -> None:
    text = script.read_bytes()
    script.write_bytes(text[:-1])
    assert hpogen("check", script).exit_code == 1
    script.write_bytes(text.replace(b"\n", b"\r\n"))
    assert hpogen("check", script).exit_code == 1


@pytest.mark.parametrize(
    "content", [b"print(1)\n", b"#:hpogen:0.1.0:x:{", b"#:hpogen:", b"\xff\xfe", b""]
)
def test_check_of_what_is_no_script_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(content)
    done = hpogen("check", path)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_check_looks_at_every_file_and_reports_the_worst(script: Path) -> None:
    done = hpogen("check", script, script.parent / "none.py", script)
    assert done.exit_code == 2
    assert done.stderr.count(": ok") == 2
    assert "No such file" in done.stderr


def test_grid_shows_counts_ends_and_gaps() -> None:
    table = hpogen("grid", "--budget", "2B")
    assert "75 architectures of 15 shapes" in table.stdout
    report = json.loads(hpogen("grid", "--budget", "2B", "--json").stdout)
    assert (report["n_architectures"], report["n_shapes"]) == (75, 15)
    assert [row["arch_idx"] for row in report["architectures"]] == list(range(75))
    ends = {end for row in report["architectures"] if row["extreme"]
            for end in row["extreme"].split(", ")}  # fmt: skip
    assert ends == {f"{e} {a}" for e in ("min", "max") for a in ("d_model", "n_layers", "n_heads")}
    assert report["unreached"]["d_model"][0] == 64


def test_a_wider_tolerance_gives_a_larger_grid() -> None:
    reports = [
        json.loads(hpogen("grid", "--budget", "2M", "--json", "--tolerance", t).stdout)
        for t in ("0.1", "0.25", "0.5")
    ]
    sizes = [report["n_architectures"] for report in reports]
    assert sizes == sorted(set(sizes))


def test_demo_data_are_real_and_dated_in_iso(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.csv"
    assert hpogen("demo-data", "sp500", "--out", path).stdout == f"{path}\n"
    lines = path.read_text().splitlines()
    assert len(lines) == 5032
    assert lines[0] == "Date,Open,High,Low,Close,Adj Close,Volume"
    assert lines[1].startswith("1999-01-04,1229.22998,")
    assert lines[-1].startswith("2018-12-31,")


def test_demo_data_replace_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("mine\n")
    refused = hpogen("demo-data", "sp500", "--out", path)
    assert (refused.exit_code, path.read_text()) == (2, "mine\n")
    assert f"{path} exists and holds other data" in refused.output
    path.unlink()
    assert [hpogen("demo-data", "sp500", "--out", path).exit_code for _ in range(2)] == [0, 0]


def test_demo_text_is_the_standard_library(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    assert hpogen("demo-data", "stdlib", "--out", path).exit_code == 0
    assert b"class JSONDecoder" in path.read_bytes()


@pytest.mark.parametrize(
    "words",
    [("grid", "--budget", "2M", "--budget", "2M"), ("render", "--data", "a", "-q", "--data=b")],
)
def test_an_option_that_takes_one_value_is_refused_twice(words: tuple[str, ...]) -> None:
    done = hpogen(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{words[1]} is given twice" in done.stderr


def test_a_flag_and_an_option_of_several_values_may_come_twice() -> None:
    words = ["-q", "-q", "--set", "horizon=1", "--set", "fixed.epochs=5"]
    assert hpogen("render", "--budget", "2M", "--stdout", *words).exit_code == 0


def test_help_needs_neither_torch_nor_optuna_nor_jinja() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from hpogen.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "heavy = {'torch', 'optuna', 'jinja2', 'pydantic', 'numpy', 'rich'} & sys.modules.keys()\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rendering_needs_neither_torch_nor_optuna() -> None:
    code = (
        "import sys; from hpogen.spec import make_spec\n"
        "from hpogen.rendering.render import render\n"
        "render(make_spec(budget='2M', horizon=1))\n"
        "heavy = {'torch', 'optuna', 'numpy', 'pandas'} & sys.modules.keys()\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("command", ["render", "check", "grid", "run", "status", "demo-data"])
def test_every_command_has_help_with_examples(command: str) -> None:
    done = hpogen(command, "--help")
    assert done.exit_code == 0
    assert "Examples:" in done.stdout
    assert f"hpogen {command}" in done.stdout
