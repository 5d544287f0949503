"""`hpogen report`: exit codes, messages, files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hpogen.cli import main
from recover_samples import SampleLog2, sample_log2

OPTUNA = """\
[I 2026-03-01 10:00:00,001] A new study created in memory with name: lr_search
[I 2026-03-01 10:01:10,120] Trial 0 finished with value: 0.5 and parameters: {'lr': 0.0001, 'act': 'gelu'}. Best is trial 0 with value: 0.5.
[I 2026-03-01 10:02:40,610] Trial 1 finished with value: 0.25 and parameters: {'lr': 0.001, 'act': 'relu'}. Best is trial 1 with value: 0.25.
[I 2026-03-01 10:03:01,007] Trial 2 pruned. 
[W 2026-03-01 10:03:20,951] Trial 3 failed with value None.
[I 2026-03-01 10:04:40,610] Trial 4 finished with value: 0.75 and parameters: {'lr': 0.01, 'act': None}. Best is trial 1 with value: 0.25.
"""  # noqa: E501, W291
SEVERAL = """\
[I 2026-03-01 10:00:00,001] A new study created in memory with name: two
[I 2026-03-01 10:01:10,120] Trial 0 finished with values: [0.5, 2.0] and parameters: {'x': 1}.
[I 2026-03-01 10:01:20,120] Trial 1 finished with values: [0.25, inf] and parameters: {'x': 2}.
"""
UNDIRECTED = OPTUNA.splitlines(keepends=True)[1]


def report(*arguments: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def written(folder: Path, lines: str | Sequence[str], name: str = "a.log") -> Path:
    """Return a file with a log."""
    path = folder / name
    path.write_text(lines if isinstance(lines, str) else "".join(f"{line}\n" for line in lines))
    return path


def small_log() -> SampleLog2:
    """Return a log with two finished trials."""
    log = SampleLog2()
    log.open_run(baselines={"class prior": {"val_loss": 0.6}})
    for number, value in enumerate((0.5, 0.4)):
        log.start(number)
        log.evaluate(number, 1, val_loss=value + 0.1)
        log.evaluate(number, 2, val_loss=value)
        log.end(number, value=value, train_flops=10**9, samples_per_second=100.0, seconds=3.0)
    return log


def test_text_is_the_default_and_has_the_essence(tmp_path: Path) -> None:
    done = report(written(tmp_path, small_log().lines))
    assert done.exit_code == 0, done.output
    for words in (
        "hpo_2M_h1  2M parameters",
        "Trial 1 is the best of 2 complete trials: val_loss 0.4, better than class prior",
        "0.5 (trial 0) → 0.4 (trial 1)",
        "at least 30",
        "Arithmetic (FLOP)",
    ):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (OPTUNA, "Trial 1 is the best of 3 complete trials: value 0.25."),
        (SEVERAL, "several objectives"),
        (UNDIRECTED, "Trial 0 is the best of 1 complete trial"),
    ],
)
def test_any_log_of_optuna_is_reported(log: str, words: str, tmp_path: Path) -> None:
    done = report(written(tmp_path, log), "--html", tmp_path / "r.html", "--text")
    assert done.exit_code == 0, done.output
    assert words in done.stdout
    assert words in (tmp_path / "r.html").read_text()


def test_a_log_of_version_1_is_reported() -> None:
    done = report(Path(__file__).parent.parent / "data" / "version_1.log")
    assert done.exit_code == 0, done.output


def test_a_table_compares_studies_by_budget_and_horizon(tmp_path: Path) -> None:
    logs = []
    for number, (budget, horizon) in enumerate([(2_000_000, 5), (200_000, 1), (2_000_000, 1)]):
        log = SampleLog2(study=f"{number}" * 12)
        log.open_run(name=f"study{number}", budget=budget, horizon=horizon)
        log.start(0)
        log.end(0)
        logs.append(written(tmp_path, log.lines, f"{number}.log"))
    done = report(*logs)
    assert done.exit_code == 0, done.output
    rows = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("study")]
    assert rows[:4] == ["study", "study1", "study2", "study0"]


def test_no_finished_trial_is_exit_code_1_with_the_states(tmp_path: Path) -> None:
    log = SampleLog2()
    log.open_run()
    log.start(0)
    done = report(written(tmp_path, log.lines), "--html", tmp_path / "r.html")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "error: no trial has finished (hpo_2M_h1: 1 RUNNING)\n"
    assert not (tmp_path / "r.html").exists()


def test_a_file_without_trials_is_exit_code_1(tmp_path: Path) -> None:
    done = report(written(tmp_path, "nothing\n"))
    assert (done.exit_code, done.stderr) == (1, "error: no trials were found\n")


def test_a_bad_file_is_named_and_the_others_are_reported(tmp_path: Path) -> None:
    done = report(tmp_path / "lost.log", written(tmp_path, OPTUNA))
    assert done.exit_code == 2
    assert done.stderr == f"error: {tmp_path / 'lost.log'}: No such file or directory\n"
    assert "Trial 1 is the best" in done.stdout


def test_only_bad_files_are_exit_code_2(tmp_path: Path) -> None:
    done = report(tmp_path / "lost.log")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("error: ") == 1


@pytest.mark.parametrize(("option", "package"), [("--html", "plotly"), ("--png", "kaleido")])
def test_a_missing_package_is_exit_code_3_with_the_command(
    option: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (package, "plotly.offline"):
        monkeypatch.setitem(sys.modules, name, None)  # as where it is not installed
    done = report(written(tmp_path, OPTUNA), option, tmp_path / "out")
    assert done.exit_code == 3, done.output
    assert "python -m pip install 'hpogen[report]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_without_a_browser_png_is_exit_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("kaleido", reason="kaleido is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    done = report(written(tmp_path, OPTUNA), "--png", tmp_path / "out")
    assert done.exit_code == 3, done.output
    assert "apt-get install chromium" in done.stderr


def test_a_file_that_is_no_report_is_not_overwritten(tmp_path: Path) -> None:
    log, other = written(tmp_path, OPTUNA), written(tmp_path, OPTUNA, "b.log")
    done = report("--html", log, other)
    assert done.exit_code == 2
    assert "exists and is not a report" in done.stderr
    assert log.read_text() == OPTUNA


def test_a_report_is_replaced(tmp_path: Path) -> None:
    log, page = written(tmp_path, OPTUNA), tmp_path / "r.html"
    assert [report(log, "--html", page).exit_code for _ in range(2)] == [0, 0]


def test_the_path_alone_goes_to_stdout(tmp_path: Path) -> None:
    page = tmp_path / "new" / "r.html"
    done = report(written(tmp_path, OPTUNA), "--html", page)
    assert (done.exit_code, done.stdout) == (0, f"{page}\n")


def test_standard_input_is_read() -> None:
    done = CliRunner().invoke(main, ["report", "-"], input=OPTUNA)
    assert done.exit_code == 0, done.output
    assert "Trial 1 is the best" in done.stdout


def test_an_unreadable_list_of_architectures_is_a_usage_error(tmp_path: Path) -> None:
    log = written(tmp_path, sample_log2().lines)
    done = report(log, "--arch-list", written(tmp_path, "x = 1", "a.py"))
    assert done.exit_code == 2
    assert "--arch-list" in done.stderr


def test_text_needs_neither_plotly_nor_optuna() -> None:
    code = (
        "import sys\n"
        "import hpogen.cli, hpogen.report.command, hpogen.report.terminal_report\n"
        "print({'plotly', 'optuna', 'torch', 'numpy', 'pandas'} & sys.modules.keys())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("command", ["--help", "render --budget 2M --horizon 1 --stdout"])
def test_help_and_render_do_not_load_reports(command: str) -> None:
    code = (
        "import sys\nfrom hpogen.cli import main\n"
        f"main({command.split()}, standalone_mode=False)\n"
        "print([n for n in sys.modules if n.startswith(('hpogen.report', 'plotly'))])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
