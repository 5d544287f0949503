"""The log file: rounds of several processes, damaged lines, full disks; and its study."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from full_disk import full_disk
from hpo_script.machinery.log_file import Interrupted, LogFile, read_log, say
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial

STUDY = "0123456789ab"
ARCH = {"arch_idx": 0, "d_model": 8, "n_layers": 1, "n_heads": 2, "params": 900, "d_ff": 16}


def opened(path: Path, run: str = "1a2b3c4d") -> LogFile:
    """Return a log in which a run can write."""
    log = LogFile(path, run)
    log.study.study_id = STUDY
    return log


def note(log: LogFile, text: str) -> None:
    """Write a note in a round of its own."""
    with log.round():
        log.write("note", {"text": text})


def notes(path: Path) -> list[str]:
    """Return the texts of the notes in a log."""
    return [line.split('text="')[1].split('"')[0] for line in path.read_text().splitlines()]


def test_the_log_and_its_folder_are_made(tmp_path: Path) -> None:
    log = opened(tmp_path / "a" / "b.log")
    note(log, "first")
    note(log, "second")
    assert notes(log.path) == ["first", "second"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b.log", "b.log.lock"]


def test_a_torn_last_line_is_closed_before_the_next_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("[I 2026-11-21 10:15:00,123] Trial 3: arch_i")
    note(opened(path), "next")
    torn, line = path.read_text().splitlines()
    assert torn.endswith("arch_i")
    assert 'text="next"' in line
    assert read_log(path).damaged == [1]


def test_damaged_lines_are_reported_with_their_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.log"
    log = opened(path)
    for text in "abcd":
        note(log, text)
    path.write_text(path.read_text().replace('"b"', '"B"').replace('"d"', '"D"'))
    again = opened(path)
    with again.round():
        pass
    again.report_damage()
    assert capsys.readouterr().err == f"warning: {path}: damaged lines 2, 4 are ignored\n"
    note(again, "e")
    again.report_damage()
    assert capsys.readouterr().err == ""


def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    write = (
        "import sys; from pathlib import Path;"
        "from hpo_script.machinery.log_file import LogFile;"
        "log = LogFile(Path(sys.argv[1]), sys.argv[2]);"
        "log.study.study_id = 'a'\n"
        "for _ in range(100):\n"
        "    with log.round():\n"
        "        log.write('note', {'text': sys.argv[2] * 1000})"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", write, str(tmp_path / "a.log")]
    writers = [subprocess.Popen([*command, text], env=environment) for text in "xyz"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert sorted(notes(tmp_path / "a.log")) == [t * 1000 for t in "xyz" for _ in range(100)]
    assert read_log(tmp_path / "a.log").damaged == []


def test_a_write_that_fails_ends_the_run_and_costs_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    note(opened(path), "first")
    size = path.stat().st_size
    with full_disk(size + 40), pytest.raises(Interrupted, match="File too large") as stop:
        note(opened(path), "lost")
    assert stop.value.code == 2
    note(opened(path), "next")
    assert path.stat().st_size == 2 * size + 40
    assert read_log(path).damaged == [2]


def test_a_log_that_is_replaced_under_a_run_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = opened(path)
    note(log, "a")
    content = path.read_bytes()
    (tmp_path / "b.log").write_bytes(content)
    (tmp_path / "b.log").replace(path)
    with pytest.raises(Interrupted, match="was replaced while this run used it") as stop:
        note(log, "b")
    assert stop.value.code == 2
    assert path.read_bytes() == content


def test_a_lock_file_that_is_deleted_under_a_run_ends_it(tmp_path: Path) -> None:
    log = opened(tmp_path / "a.log")
    note(log, "a")
    log.lock_path.unlink()
    with pytest.raises(Interrupted, match=r"a\.log\.lock was deleted while"):
        note(log, "b")


def test_a_message_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    say("text", end="\r")
    assert capsys.readouterr() == ("", "text\r")


@pytest.mark.parametrize("close", ["os.close(2)", "sys.stderr.close()"])
def test_a_closed_terminal_does_not_end_the_run(close: str) -> None:
    code = "from hpo_script.machinery.log_file import say; import os, sys;"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code} {close}; say('lost'); print(1)"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.returncode) == ("1\n", 0)


class Lines:
    """Lines of a study, given to it one by one."""

    def __init__(self) -> None:
        self.study = LoggedStudy()

    def __call__(self, event: str, run: str, **fields: Any) -> LoggedTrial | None:
        """Take a line; return its trial."""
        assert self.study.take(event, {**ARCH, **fields, "study": STUDY, "run": run})
        return self.study.trials.get(fields.get("trial", -1))

    def start(self, run: str) -> None:
        """Take the start of trial 0."""
        times = {"datetime_start": "2026-11-21 10:15:00"}
        self("trial_start", run, trial=0, config_id="c", kind="search", **times)

    def evaluate(self, run: str, *steps: int) -> None:
        """Take evaluations of trial 0."""
        for step in steps:
            self("evaluation", run, trial=0, unit="epoch", step=step, val_loss=1 / step)

    def end(self, run: str, value: float) -> None:
        """Take the end of trial 0."""
        times = dict.fromkeys(("datetime_start", "datetime_complete"), "2026-11-21 10:15:00")
        curve = [{"epoch": 1, "val_loss": value}]
        more = {"state": "COMPLETE", "value": value, "learning_curve": curve, **times}
        self("trial_end", run, trial=0, **more)

    def epochs(self) -> list[int]:
        """Return the epochs of trial 0's learning curve."""
        return [point["epoch"] for point in self.study.trials[0].curve]


def test_a_line_of_another_study_is_not_taken() -> None:
    lines = Lines()
    lines.start("a")
    other = {"text": "x", "study": "ba9876543210", "run": "a"}
    assert not lines.study.take("note", other)


def test_lines_of_a_run_that_lost_its_claim_are_ignored() -> None:
    lines = Lines()
    lines.start("a")
    lines.evaluate("a", 1, 2)
    curve = [{"epoch": 1, "val_loss": 1.0}]
    lines("trial_resumed", "b", trial=0, epoch=1, batches=0, learning_curve=curve)
    lines.evaluate("a", 3)
    lines.end("a", 0.1)
    assert lines.epochs() == [1]
    assert not lines.study.trials[0].finished
    lines.evaluate("b", 2)
    lines.end("b", 0.2)
    lines.end("b", 0.3)
    assert lines.study.trials[0].value == 0.2
    assert lines.study.counts() == {"complete": 1, "pruned": 0, "failed": 0, "running": 0}


def test_an_end_line_is_complete_by_itself() -> None:
    lines = Lines()
    lines.end("a", 0.25)
    trial = lines.study.trials[0]
    assert (trial.state, trial.value, lines.epochs()) == ("COMPLETE", 0.25, [1])
    assert trial.attributes["param_count"] == 900


def test_a_retry_starts_the_learning_curve_again() -> None:
    lines = Lines()
    lines.start("a")
    lines.evaluate("a", 1, 2)
    lines("trial_retry", "a", trial=0, micro_batch=4)
    lines.evaluate("a", 1)
    assert lines.epochs() == [1]
    assert lines.study.trials[0].attributes["micro_batch"] == 4


def test_resumptions_in_a_row_at_one_place_are_counted() -> None:
    lines = Lines()
    lines.start("a")
    counts = []
    for run, epoch in (("b", 1), ("c", 1), ("d", 2), ("e", 2), ("f", 2)):
        lines("trial_resumed", run, trial=0, epoch=epoch, batches=0, learning_curve=[])
        counts.append(lines.study.trials[0].n_resumed)
    assert counts == [1, 2, 1, 2, 3]
