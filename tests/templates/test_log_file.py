"""The log file: rounds of several processes, damaged lines, full disks; and its study."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from full_disk import full_disk
from hpo_script.machinery.log_file import Interrupted, LogFile, read_log, say
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial

STUDY = "0123456789ab"
ARCH = {"arch_idx": 0, "d_model": 8, "n_layers": 1, "n_heads": 2, "d_ff": 16}
ARCH["param_count"] = 900


def opened(path: Path, run: str = "1a2b3c4d") -> LogFile:
    """Return a log in which a run can write."""
    log = LogFile(path, run)
    log.open()
    log.study.study_id = STUDY
    return log


def write(log: LogFile, text: str) -> None:
    """Write a line in a round of its own."""
    with log.round():
        log.write("enqueued", {"enqueued_id": text, "trial_params": {}})


def written(path: Path) -> list[str]:
    """Return the texts of the lines in a log."""
    return [*read_log(path).study.enqueued]


def test_the_log_and_its_folder_are_made(tmp_path: Path) -> None:
    log = opened(tmp_path / "a" / "b.log")
    write(log, "first")
    write(log, "second")
    assert written(log.path) == ["first", "second"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b.log", "b.log.lock"]


def test_reading_a_log_makes_no_file(tmp_path: Path) -> None:
    assert read_log(tmp_path / "a" / "b.log").study.trials == {}
    assert list(tmp_path.iterdir()) == []


def test_a_torn_last_line_is_closed_before_the_next_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("[I 2026-11-21 10:15:00,123] Trial 3: arch_i")
    write(opened(path), "next")
    assert path.read_text().splitlines()[0].endswith("arch_i")
    assert (written(path), read_log(path).damaged) == (["next"], [1])


def test_a_line_without_its_end_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = opened(path)
    write(log, "first")
    write(log, "second")
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    again = opened(path)
    for end, lines in ((b"", ["first"]), (b"\n", ["first", "second"])):
        with path.open("ab") as file:
            file.write(end)
        with again.round() as study:
            assert ([*study.enqueued], again.damaged) == (lines, [])


def test_damaged_lines_are_reported_with_their_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.log"
    log = opened(path)
    for text in "abcd":
        write(log, text)
    path.write_text(path.read_text().replace('"b"', '"B"').replace('"d"', '"D"'))
    again = opened(path)
    with again.round():
        pass
    again.report_damage()
    assert capsys.readouterr().err == f"warning: {path}: damaged lines 2, 4 are ignored\n"
    write(again, "e")
    again.report_damage()
    assert capsys.readouterr().err == ""


def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from hpo_script.machinery.log_file import LogFile;"
        "log = LogFile(Path(sys.argv[1]), sys.argv[2]); log.open();"
        "log.study.study_id = 'a'\n"
        "for number in range(100):\n"
        "    with log.round():\n"
        "        text = f'{sys.argv[2] * 1000}{number}'\n"
        "        log.write('enqueued', {'enqueued_id': text, 'trial_params': {}})"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(tmp_path / "a.log")]
    writers = [subprocess.Popen([*command, text], env=environment) for text in "xyz"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    expected = {f"{text * 1000}{number}" for text in "xyz" for number in range(100)}
    assert {*written(tmp_path / "a.log")} == expected
    assert read_log(tmp_path / "a.log").damaged == []


def test_lines_of_which_a_part_fits_on_the_disk_wait(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = opened(tmp_path / "a.log")
    write(log, "first")
    content = log.path.read_bytes()
    with full_disk(len(content) + 40):
        write(log, "second")
    assert log.path.read_bytes() == content
    assert capsys.readouterr().err.startswith(f"{log.path}: no space left; this run waits")
    write(log, "third")
    assert written(log.path) == ["first", "second", "third"]
    assert (log.pending, read_log(log.path).damaged) == (b"", [])


def test_a_write_that_fails_ends_the_run(tmp_path: Path) -> None:
    log = opened(tmp_path / "a.log")
    write(log, "first")
    content = log.path.read_bytes()
    with full_disk(len(content)), pytest.raises(Interrupted, match="File too large") as stop:
        write(log, "lost")
    assert (stop.value.code, log.path.read_bytes()) == (2, content)


def replace(path: Path) -> None:
    """Put a copy in the place of a file."""
    copy = path.with_name("copy.log")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (replace, "was replaced in this run"),
        (lambda path: os.truncate(path, path.stat().st_size - 1), "was replaced in this run"),
        (Path.unlink, "No such file or directory"),
    ],
    ids=["replaced", "cut", "deleted"],
)
def test_another_log_in_the_place_of_a_runs_log_ends_it(
    act: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    log = opened(path)
    write(log, "a")
    act(path)
    content = path.read_bytes() if path.exists() else None
    with pytest.raises(Interrupted, match=said) as stop:
        write(log, "b")
    assert stop.value.code == 2
    assert (path.read_bytes() if path.exists() else None) == content


def test_a_trial_is_locked_until_its_process_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    program = (
        "import sys; from pathlib import Path;"
        "from hpo_script.machinery.log_file import LogFile;"
        "log = LogFile(Path(sys.argv[1])); log.open();"
        "print(log.lock_trial(3), flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    log = opened(path)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert [log.lock_trial(number) for number in (2, 3, 4)] == [True, False, True]
        other.kill()
    assert log.lock_trial(3)
    assert log.lock_trial(3), "a lock of this process is no hindrance"


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
        self.study.take(event, {**ARCH, **fields, "study": STUDY, "run": run})
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
    other = {"reason": "trials", "study": "ba9876543210", "run": "a"}
    lines.study.take("run_end", other)
    assert lines.study.gone == set()


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
    more = {"epoch": 0, "batches": 0, "learning_curve": [], "system_attrs": {"rung": 1}}
    lines("trial_resumed", "a", trial=0, micro_batch=4, **more)
    lines.evaluate("a", 1)
    trial = lines.study.trials[0]
    assert (lines.epochs(), trial.system_attrs) == ([1], {"rung": 1})
    assert (trial.attributes["micro_batch"], trial.attributes["kind"]) == (4, "search")


def test_a_configuration_that_was_enqueued_twice_is_one() -> None:
    lines = Lines()
    for params in ({"n": 1}, {"n": 2}):
        lines("enqueued", "a", enqueued_id="c12-0", trial_params=params)
    assert lines.study.enqueued == {"c12-0": {"n": 1}}


def test_a_trial_of_another_log_is_no_trial_of_the_study() -> None:
    lines = Lines()
    about = {"from_study": "ba9876543210", "from_trial": 7, "trial_params": {"n": 1}}
    result = {"state": "PRUNED", "value": 0.5, "learning_curve": [{"epoch": 1, "val_loss": 0.5}]}
    lines("history", "a", **about, **result)
    (known,) = lines.study.history
    assert (known.number, known.state, known.value) == (7, "PRUNED", 0.5)
    assert known.attributes == {"from_study": "ba9876543210", "n": 1}
    assert known.curve == result["learning_curve"]
    assert lines.study.trials == {}


def test_resumptions_in_a_row_at_one_place_are_counted() -> None:
    lines = Lines()
    lines.start("a")
    counts = []
    for run, epoch in (("b", 1), ("c", 1), ("d", 2), ("e", 2), ("f", 2)):
        lines("trial_resumed", run, trial=0, epoch=epoch, batches=0, learning_curve=[])
        counts.append(lines.study.trials[0].n_resumed)
    assert counts == [1, 2, 1, 2, 3]
