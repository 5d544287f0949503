"""recover-trials as users run it."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner, Result

from recover_samples import HOSTILE_TEXTS, OTHER_STUDY, SampleLog, as_bytes, sample_log
from recover_trials.cli import main
from recover_trials.console import NO_TRIALS

COMMAND = (sys.executable, "-m", "recover_trials")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of three trials."""
    path = tmp_path / "hpo_2M_h1.log"
    path.write_bytes(as_bytes(sample_log().lines))
    return path


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, list(map(str, arguments)), input=stdin)


def on_terminal(*arguments: str | Path) -> str:
    """Run the command on a terminal; return the text on the screen."""
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=terminal, stderr=terminal, stdin=terminal
    ):
        os.close(terminal)
        shown = b""
        try:
            while block := os.read(screen, 4096):
                shown += block
        except OSError:  # Linux raises it after the other end was closed
            pass
        os.close(screen)
    return shown.decode()


def test_a_pipe_gets_csv(log: Path) -> None:
    ran = subprocess.run([*COMMAND, log], capture_output=True, check=True)

    rows = list(csv.DictReader(io.StringIO(ran.stdout.decode())))
    assert [row["state"] for row in rows] == ["COMPLETE", "PRUNED", "RUNNING"]
    assert ran.stderr.decode() == (
        f"hpo_2M_h1 ({log}): 1 COMPLETE, 1 PRUNED, 1 RUNNING; best trial 0: 0.5\n"
    )


def test_a_terminal_gets_a_table_with_the_best_marked(log: Path) -> None:
    lines = on_terminal(log).splitlines()

    assert [line.split()[:3] for line in lines if line.startswith("*")] == [["*", "0", "COMPLETE"]]
    assert not any("," in line for line in lines[1:])


def test_a_csv_is_whole_for_the_next_program_in_a_pipe(tmp_path: Path) -> None:
    log = SampleLog()
    log.end(0, texts="".join(HOSTILE_TEXTS))
    (tmp_path / "a.log").write_bytes(as_bytes(log.lines))

    ran = subprocess.run(
        [*COMMAND, tmp_path / "a.log"],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )

    (row,) = csv.DictReader(io.StringIO(ran.stdout.decode(), newline=""))
    assert row["user_attrs_texts"] == "".join(HOSTILE_TEXTS)


@pytest.mark.parametrize("format_", ["table", "csv", "json", "jsonl"])
def test_text_of_a_log_cannot_control_the_terminal(tmp_path: Path, format_: str) -> None:
    evil = "\x1b[31m\x1b]0;title\x07[bold red]\x9b2J\0"
    log = SampleLog()
    log.open_run(name=f"study {evil}")
    log.end(0, kind=evil, error=evil)
    (tmp_path / "evil.log").write_bytes(as_bytes(log.lines))

    shown = on_terminal(tmp_path / "evil.log", "--format", format_)

    assert "COMPLETE" in shown
    assert "[bold red]" in shown
    assert all(line.isprintable() for line in shown.split("\r\n"))


def test_parquet_is_not_shown_on_a_terminal(log: Path) -> None:
    assert "add --output FILE" in on_terminal(log, "--format", "parquet")


def test_json_is_one_document(log: Path) -> None:
    ran = run(log, "--format", "json")

    assert [trial["state"] for trial in json.loads(ran.stdout)["studies"][0]["trials"]] == [
        "COMPLETE",
        "PRUNED",
        "RUNNING",
    ]


def test_jsonl_is_a_document_per_trial(log: Path) -> None:
    ran = run(log, "--format", "jsonl")

    assert [json.loads(line)["trial_number"] for line in ran.stdout.splitlines()] == [0, 1, 2]


def test_a_table_can_be_piped(log: Path) -> None:
    assert run(log, "--format", "table").stdout.splitlines()[0] == "hpo_2M_h1"


def test_a_dash_is_standard_input() -> None:
    ran = run("-", stdin=as_bytes(sample_log().lines))

    assert (ran.exit_code, len(ran.stdout.splitlines())) == (0, 4)


def test_a_pipe_can_be_given_by_its_name(log: Path) -> None:
    ran = subprocess.run(
        [*COMMAND, "/dev/stdin"], input=log.read_bytes(), capture_output=True, check=True
    )

    assert len(ran.stdout.splitlines()) == 4


def test_one_of_several_studies_can_be_chosen(log: Path, tmp_path: Path) -> None:
    other = SampleLog(OTHER_STUDY)
    other.open_run(name="other")
    other.end(7)
    (tmp_path / "other.log").write_bytes(as_bytes(other.lines))
    logs = (log, tmp_path / "other.log", "--format", "jsonl")

    ran = run(*logs, "--study", "other")

    assert [json.loads(line)["trial_number"] for line in ran.stdout.splitlines()] == [7]
    assert len(ran.stderr.splitlines()) == 2  # no line about the other study
    wrong = run(*logs, "--study", "third")
    assert wrong.exit_code == 2
    assert "no study has the name third; the logs hold: hpo_2M_h1, other" in wrong.stderr


def test_an_unreadable_file_is_reported_and_the_others_are_read(log: Path, tmp_path: Path) -> None:
    ran = run(tmp_path / "none.log", log, tmp_path)

    assert ran.exit_code == 2
    assert len(ran.stdout.splitlines()) == 4
    assert f"error: {tmp_path / 'none.log'}: No such file or directory" in ran.stderr
    assert f"error: {tmp_path}: Is a directory" in ran.stderr


def test_a_log_without_trials_has_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "empty.log").write_text("nothing\nto see\n")

    ran = run(tmp_path / "empty.log", "--output", tmp_path / "trials.csv")

    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr == f"{NO_TRIALS}\n"
    assert not (tmp_path / "trials.csv").exists()


def test_no_log_is_wrong_usage() -> None:
    assert run().exit_code == 2


def test_the_output_is_written_and_named(log: Path, tmp_path: Path) -> None:
    ran = run(log, "--output", tmp_path / "trials.csv")

    assert (ran.exit_code, ran.stdout) == (0, f"{tmp_path / 'trials.csv'}\n")
    assert (tmp_path / "trials.csv").read_bytes() == run(log).stdout_bytes
    assert sorted(path.name for path in tmp_path.iterdir()) == [log.name, "trials.csv"]


def test_an_existing_output_is_refused(log: Path, tmp_path: Path) -> None:
    (tmp_path / "trials.csv").write_text("mine")

    ran = run(log, "--output", tmp_path / "trials.csv")

    assert ran.exit_code == 2
    assert "--force" in ran.stderr
    assert (tmp_path / "trials.csv").read_text() == "mine"


def test_an_existing_output_is_overwritten_by_force(log: Path, tmp_path: Path) -> None:
    (tmp_path / "trials.csv").write_text("mine")

    ran = run(log, "--output", tmp_path / "trials.csv", "--force")

    assert ran.exit_code == 0
    assert (tmp_path / "trials.csv").read_text().startswith("number,value,")


def test_an_output_that_cannot_be_written_is_wrong_usage(log: Path, tmp_path: Path) -> None:
    ran = run(log, "--output", tmp_path / "none" / "trials.csv")

    assert ran.exit_code == 2
    assert "No such file or directory" in ran.stderr


def test_an_output_that_cannot_be_replaced_leaves_no_file(log: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    ran = run(log, "--output", f"{tmp_path}/out/{'x' * 255}", "--force")

    assert ran.exit_code == 2
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--strict"], 4)])
@pytest.mark.parametrize("damage", ["torn", "repeated"])
def test_damage_fails_only_a_strict_run(
    tmp_path: Path, damage: str, arguments: list[str], code: int
) -> None:
    log = sample_log()
    extra = log.lines[1][:-1] if damage == "torn" else log.end(0, value=0.25)
    (tmp_path / "a.log").write_bytes(as_bytes([*log.lines, extra]))

    assert run(tmp_path / "a.log", *arguments).exit_code == code


def test_a_whole_log_passes_a_strict_run(log: Path) -> None:
    assert run(log, "--strict").exit_code == 0


def test_text_of_a_log_cannot_control_the_terminal_in_the_report(tmp_path: Path) -> None:
    log = SampleLog()
    log.open_run(name="\x1b[2J[bold]\n")
    log.start(0)
    (tmp_path / "\x1b[31m.log").write_bytes(as_bytes(log.lines))

    ran = run(tmp_path / "\x1b[31m.log", tmp_path / "\x1b[32m.log")

    assert "[bold]" in ran.stderr
    assert all(line.isprintable() for line in ran.stderr.split("\n"))
    assert len(ran.stderr.splitlines()) == 2


def test_help_needs_no_log() -> None:
    ran = run("--help")

    assert ran.exit_code == 0
    assert "zcat old.log.gz | recover-trials - --format json" in ran.stdout


def unread(pipe: IO[str]) -> int:
    """Return how many bytes of a pipe are not yet read."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    return int(count)


def test_an_interrupt_ends_with_the_code_shells_expect() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "recover_trials", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write("a line\n")
    process.stdin.flush()
    while unread(process.stdin):  # then the command waits for more input
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the disk that is always full")
def test_a_device_is_written_to_and_never_replaced(log: Path) -> None:
    ran = run(log, "--output", "/dev/full")

    assert ran.exit_code == 2
    assert Path("/dev/full").is_char_device()


def test_a_list_of_architectures_completes_an_old_log(tmp_path: Path) -> None:
    row = {"d_model": 64, "n_layers": 2, "n_heads": 4, "d_ff": 128, "params": 1234}
    (tmp_path / "list.json").write_text(json.dumps([row]))
    (tmp_path / "a.log").write_text("Trial 0: arch_idx=0, d_model=64, n_layers=2, params=1,234\n")

    ran = run(tmp_path / "a.log", "--arch-list", tmp_path / "list.json")

    (row,) = csv.DictReader(io.StringIO(ran.stdout))
    assert (row["user_attrs_n_heads"], row["user_attrs_d_ff"]) == ("4", "128")
    assert run(tmp_path / "a.log", "--arch-list", tmp_path / "a.log").exit_code == 2


def test_a_missing_package_is_reported_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression", None)
    (tmp_path / "a.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))

    ran = run(tmp_path / "a.zst")

    assert ran.exit_code == 3
    assert "pip install zstandard" in ran.stderr


BEST = "Trial {} finished with value: {} and parameters: {{}}. Best is trial {} with value: {}."


def test_strict_fails_where_lines_name_another_best_trial(tmp_path: Path) -> None:
    results = [(0, 0.5, 0, 0.5), (1, 0.75, 0, 0.5), (2, 0.25, 0, 0.5)]
    lines = [f"[I 2026-11-21 10:15:0{row[0]},123] {BEST.format(*row)}\n" for row in results]
    (tmp_path / "a.log").write_text("".join(lines))

    assert run(tmp_path / "a.log", "--strict").exit_code == 4
    (tmp_path / "a.log").write_text("".join(lines[:2]))
    assert run(tmp_path / "a.log", "--strict").exit_code == 0
