"""Studies that are shown while they run, from their logs."""

from __future__ import annotations

import gzip
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from children import child
from recover_samples import LATER_RUN, SampleLog, SampleLog2, as_bytes, sample_log, sample_log2
from recover_trials import UnreadableError, read_trials
from recover_trials.cli import main
from recover_trials.follow.lines import changes_of
from recover_trials.follow.live import LiveLog, LiveStudies, Rhythm
from recover_trials.follow.picture import picture
from recover_trials.follow.show import follow
from recover_trials.follow.status import Status, status_of, statuses
from recover_trials.follow.status_text import duration
from recover_trials.follow.tail import Tail
from scripts import MARKET, changed, mortal, render_to, run

COMMAND = (sys.executable, "-m", "recover_trials", "--follow")


@pytest.fixture(autouse=True)
def closed_tails(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the files of every tail after a test."""
    tails: list[Tail] = []
    restart = Tail.restart
    monkeypatch.setattr(Tail, "restart", lambda tail: (tails.append(tail), restart(tail)))
    yield
    for tail in tails:
        tail.close()


def append(path: Path, data: str | bytes | list[str]) -> None:
    """Write to the end of a file."""
    with path.open("ab") as file:
        file.write(as_bytes(data))


def everything(tail: Tail) -> bytes:
    """Return all new lines of a tail."""
    return b"".join(iter(tail.read, b""))


# --- New lines of a file -------------------------------------------------------------------------


def test_only_new_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    append(path, "one\n")
    tail = Tail(path)

    assert tail.read() == b"one\n"
    assert tail.read() == b""
    append(path, "two\nthree\n")
    assert tail.read() == b"two\nthree\n"


def test_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    append(path, "one\ntw")
    tail = Tail(path)

    assert tail.read() == b"one\n"
    append(path, "o\r")
    assert tail.read() == b""
    append(path, "\n")
    assert tail.read() == b"two\r\n"


def test_a_file_may_come_later(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "a.log")

    assert (tail.read(), tail.exists) == (b"", False)
    append(tmp_path / "a.log", "one\n")
    assert (tail.read(), tail.exists) == (b"one\n", True)


def test_a_file_that_was_cut_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    append(path, "one\ntwo\nthr")
    tail = Tail(path)
    everything(tail)

    path.write_bytes(b"a\n")

    assert everything(tail) == b"a\n"


def test_a_file_that_was_cut_and_has_grown_beyond_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    append(path, "one\n")
    tail = Tail(path)
    everything(tail)

    path.write_bytes(b"other, and longer\n")

    assert everything(tail) == b"other, and longer\n"


def test_a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    append(path, "one\n")
    tail = Tail(path)
    everything(tail)

    append(path, "two\n")
    path.rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log.1", "three\n")
    assert everything(tail) == b"two\nthree\n"
    append(path, "four\n")

    assert everything(tail) == b"four\n"


def test_utf_16_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    append(path, "a line\nano".encode("utf-16"))
    tail = Tail(path)

    assert everything(tail) == b"\xef\xbb\xbfa line\n"
    append(path, "ther\n".encode("utf-16-le"))
    assert everything(tail) == b"another\n"


def test_a_compressed_file_is_not_followed(tmp_path: Path) -> None:
    append(tmp_path / "a.gz", gzip.compress(b"one\n"))

    with pytest.raises(UnreadableError, match="does not grow"):
        Tail(tmp_path / "a.gz").read()
    done = CliRunner().invoke(main, ["--follow", str(tmp_path / "a.gz")])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {tmp_path / 'a.gz'}: a compressed file does not grow")


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
@pytest.mark.parametrize("sample", [sample_log, sample_log2])
def test_a_log_read_in_pieces_gives_the_study_of_the_whole_log(
    tmp_path: Path, size: int, sample: Callable[[], SampleLog]
) -> None:
    data = as_bytes(sample().lines)
    log = LiveLog(tmp_path / "a.log", LiveStudies())
    for start in range(0, len(data), size):
        append(log.path, data[start : start + size])
        log.poll()

    (study,) = log.studies()
    (whole,) = read_trials([io.BytesIO(data)]).studies
    assert (study.trials, study.about, study.flags) == (whole.trials, whole.about, [])


RESULT = "[I 2026-11-21 1{0}:00:0{1},123] Trial {1} finished with value: {2} and parameters: "
RUNNER = "".join(
    f"[{hour + 1}/2] Starting: hpo_2M_h{hour}.py\nCreated 3 models\n"
    + "".join(
        RESULT.format(hour, n, hour + n) + f"{{'a': {n}}}. Best is trial 0 with value: {hour}.0.\n"
        for n in range(3)
    )
    + f"[{hour + 1}/2] PASSED: hpo_2M_h{hour}.py\n"
    for hour in (0, 1)
)


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
def test_a_log_of_a_runner_read_in_pieces_gives_the_studies_of_the_whole_log(
    tmp_path: Path, size: int
) -> None:
    data = RUNNER.encode()
    log = LiveLog(tmp_path / "a.log", LiveStudies())
    for start in range(0, len(data), size):
        append(log.path, data[start : start + size])
        log.poll()

    studies = read_trials(io.BytesIO(data)).studies
    assert [study.experiment for study in studies] == ["hpo_2M_h0", "hpo_2M_h1"]
    assert [(s.experiment, s.trials) for s in log.runs.studies if s.trials] == [
        (study.experiment, study.trials) for study in studies
    ]


# --- Status of a study ---------------------------------------------------------------------------


def live(tmp_path: Path, log: SampleLog) -> LiveLog:
    """Return a log that was read once."""
    live_log = LiveLog(tmp_path / "live.log", LiveStudies())
    append(live_log.path, log.lines)
    live_log.poll()
    return live_log


def status(log: LiveLog, now: datetime | None = None) -> Status:
    """Return the status of the only study of a log."""
    (study,) = log.studies()
    return status_of(study, log, now or datetime.now())


def running_log(n_trials: int | None = 4) -> SampleLog:
    """Return a log of two finished trials and one at its second of five epochs."""
    log = SampleLog()
    log.open_run(n_trials=n_trials)
    for trial, state in enumerate(("COMPLETE", "PRUNED")):
        log.start(trial, epochs=5)
        log.end(trial, state, 0.5 + trial)
    log.start(2, epochs=5, datetime_start="2026-11-21 10:14:56")
    log.evaluate(2, 1, val_loss=0.5)
    log.evaluate(2, 2, val_loss=0.4)
    return log


def test_a_status_has_finished_and_running_trials(tmp_path: Path) -> None:
    now = status(live(tmp_path, running_log()))

    assert (now.done, now.total, now.best) == (2, 4, (0, 0.5))
    assert now.counts == {"COMPLETE": 1, "PRUNED": 1, "RUNNING": 1}
    (trial,) = now.running
    assert (trial.number, trial.step, trial.steps, trial.unit) == (2, 2, 5, "epoch")
    assert trial.architecture == "d_model=64 n_layers=48 n_heads=8"
    # The last line came at 10:15:07.123, two epochs after the start: three are left.
    assert trial.elapsed == timedelta(seconds=11, milliseconds=123)
    assert trial.left == trial.elapsed / 2 * 3
    # And one more trial, at the mean of the two that are done.
    assert now.left == trial.left + timedelta(seconds=30)
    assert not now.finished


def test_a_log_without_a_total_has_an_unknown_total(tmp_path: Path) -> None:
    now = status(live(tmp_path, running_log(None)))

    assert (now.total, now.left, now.finished) == (None, None, False)
    assert next(changes_of(None, now)).startswith("2/? done (1 pruned), best trial 0: 0.5")


def test_a_value_has_six_digits(tmp_path: Path) -> None:
    log = SampleLog2()
    log.open_run()
    log.start(0)
    log.end(0, value=0.36408195374694385)
    (change,) = list(changes_of(None, status(live(tmp_path, log))))[:1]
    assert "best trial 0: 0.364082" in change
    assert "0.36408195" not in change


def test_unfinished_trials_of_a_killed_run_are_not_running(tmp_path: Path) -> None:
    log = running_log()
    log.identity["run"] = LATER_RUN
    log.open_run(n_trials=4)
    log.start(3)

    assert [trial.number for trial in status(live(tmp_path, log)).running] == [3]


def test_trials_of_two_active_workers_are_running(tmp_path: Path) -> None:
    log = running_log()
    first = dict(log.identity)
    log.identity["run"] = LATER_RUN
    log.open_run(n_trials=4)
    log.start(3)
    log.identity = first
    log.evaluate(2, 3, val_loss=0.3)

    assert [trial.number for trial in status(live(tmp_path, log)).running] == [2, 3]


def end_run(log: SampleLog, reason: str) -> str:
    """Append the last line of a run; return it."""
    counts = dict.fromkeys(("complete", "pruned", "failed", "running"), 1)
    return log.add("run_end", {**counts, "reason": reason, "best_trial": 0, "best_value": 0.5})


def test_a_study_is_finished_when_its_total_is_done(tmp_path: Path) -> None:
    log = running_log(3)
    live_log = live(tmp_path, log)
    assert not status(live_log).finished

    append(live_log.path, [log.end(2)])
    live_log.poll()

    assert status(live_log).finished
    assert [*changes_of(None, status(live_log))][-1] == "finished: all trials are done"


def test_a_run_that_ends_before_the_total_does_not_finish_the_study(tmp_path: Path) -> None:
    log = running_log(9)
    live_log = live(tmp_path, log)
    running = status(live_log)
    append(live_log.path, [end_run(log, "timeout")])
    live_log.poll()
    stopped = status(live_log, datetime.now() + timedelta(days=1))
    log.identity["run"] = LATER_RUN
    append(live_log.path, [log.open_run(n_trials=9)])
    live_log.poll()
    continued = status(live_log)

    assert (stopped.finished, stopped.interrupted, stopped.stalled) == (False, True, False)
    assert [*changes_of(running, stopped)] == [
        "run ended before the total: timeout; waiting for the next run"
    ]
    assert [*changes_of(stopped, continued)] == ["a run continues the study"]


def test_a_study_is_stalled_after_three_times_its_longest_pause(tmp_path: Path) -> None:
    log = live(tmp_path, running_log())
    log.rhythm.longest = timedelta(minutes=5)
    written = datetime.fromtimestamp(log.path.stat().st_mtime)  # noqa: DTZ006

    assert not status(log, written + timedelta(minutes=14)).stalled
    stalled_now = status(log, written + timedelta(minutes=16))
    assert stalled_now.stalled
    before = status(log, written)
    assert [*changes_of(before, stalled_now)] == [
        "stalled: no line for 16m; more than 3 times the longest pause before, 5m"
    ]
    assert [*changes_of(stalled_now, before)] == ["continues"]


def test_pauses_of_a_few_seconds_do_not_make_a_minute_a_stall(tmp_path: Path) -> None:
    log = live(tmp_path, running_log())
    written = datetime.fromtimestamp(log.path.stat().st_mtime)  # noqa: DTZ006

    assert log.rhythm.longest == timedelta(seconds=1)
    assert not status(log, written + timedelta(seconds=59)).stalled


def test_the_time_between_two_runs_is_not_a_pause() -> None:
    rhythm = Rhythm()
    for stamp, text in (
        ("10:00:00,000", "Trial 0: x"),
        ("10:00:07,500", "Trial 0: y"),
        ("19:00:00,000", "Run 1a2b3c4d started: z"),
        ("19:00:05,000", "Trial 0: x"),
    ):
        rhythm.add(f"[I 2026-11-21 {stamp}] {text}\n".encode())

    assert rhythm.longest == timedelta(seconds=7.5)


def test_lines_of_optuna_are_followed_as_well(tmp_path: Path) -> None:
    log = LiveLog(tmp_path / "a.log", LiveStudies())
    append(log.path, "[I 2026-11-21 10:15:00,123] A new study created in memory with name: x\n")
    log.poll()
    line = "[I 2026-11-21 10:15:0{0},123] Trial {0} finished with value: {1} and parameters: {{}}."
    append(log.path, line.format(0, 0.5) + " Best is trial 0 with value: 0.5.\n")
    append(log.path, line.format(1, 0.7) + " Best is trial 0 with value: 0.5.\n")
    log.poll()

    (now,) = statuses([log]).values()

    assert (now.name, now.done, now.best, now.finished) == ("x", 2, (0, 0.5), False)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.6, "1s"), (59, "59s"), (60, "1m"), (3605, "1h"), (97_200, "1d 3h")],
)
def test_a_duration_has_two_sizes_at_most(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_text_of_a_log_cannot_control_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b[31m\x1b]0;title\x07[bold]\x9b2J\n"
    log = SampleLog()
    log.open_run(name=evil, metric=evil, unit=evil, n_trials=9)
    log.start(0, d_model=evil)
    log.end(1)
    end_run(log, evil)
    live_log = live(tmp_path, log)
    text = io.StringIO()
    console = Console(file=text, width=200, force_terminal=False)

    console.print(picture([live_log], statuses([live_log])))

    assert "[bold]" in text.getvalue()
    assert all(line.isprintable() for line in text.getvalue().split("\n"))


# --- Command -------------------------------------------------------------------------------------


def lines_of(log: Path, act: Any) -> list[str]:
    """Follow a log while something happens to it; return the lines, without their times."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=False)
    worker = threading.Thread(target=follow, args=([log], console), kwargs={"interval": 0.02})
    worker.start()
    act()
    worker.join(timeout=30)
    assert not worker.is_alive()
    return [line[20:] for line in text.getvalue().splitlines()]


def test_a_pipe_gets_a_line_per_change(tmp_path: Path) -> None:
    path, log = tmp_path / "a.log", SampleLog()

    def act() -> None:
        time.sleep(0.2)
        for line in (
            lambda: log.open_run(n_trials=2),
            lambda: log.start(0),
            lambda: log.evaluate(0, 1, val_loss=0.7),
            lambda: log.end(0, value=0.5),
            lambda: log.start(1),
            lambda: log.end(1, "FAIL", None),
        ):
            append(path, [line()])
            time.sleep(0.2)

    assert lines_of(path, act) == [
        f"waiting for {path}",
        "hpo_2M_h1: 0/2 done",
        "hpo_2M_h1: trial 0 started | 0/2 done, running 0",
        "hpo_2M_h1: trial 0 COMPLETE 0.5 | 1/2 done, best trial 0: 0.5, about 30s left",
        "hpo_2M_h1: trial 1 started | 1/2 done, best trial 0: 0.5, running 1, about 30s left",
        "hpo_2M_h1: trial 1 FAIL | 2/2 done (1 failed), best trial 0: 0.5",
        "hpo_2M_h1: finished: all trials are done",
    ]


@pytest.mark.parametrize(
    "arguments", [["-"], ["a.log", "--format", "csv"], ["a.log", "--pid", "0"]]
)
def test_options_that_do_not_go_with_follow_are_refused(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, ["--follow", *arguments]).exit_code == 2


def test_a_folder_cannot_be_followed(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["--follow", str(tmp_path)])

    assert (ran.exit_code, ran.stderr) == (2, f"error: {tmp_path}: Is a directory\n")


def test_an_interrupt_ends_with_128_plus_the_signal(tmp_path: Path) -> None:
    append(tmp_path / "a.log", running_log().lines)
    process = subprocess.Popen(
        child(*COMMAND, tmp_path / "a.log"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "2/4 done" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (130, "")


def test_a_terminal_shows_a_picture(tmp_path: Path) -> None:
    log = running_log(3)
    append(tmp_path / "a.log", log.lines)
    screen, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": "150", "TERM": "xterm"}
    with subprocess.Popen(
        child(*COMMAND, tmp_path / "a.log"), stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        shown = b""
        while b"epoch 2/5" not in shown:
            shown += os.read(screen, 1 << 16)
        append(tmp_path / "a.log", [log.end(2)])
        try:
            while block := os.read(screen, 1 << 16):
                shown += block
        except OSError:  # Linux raises it after the other end was closed
            pass
        os.close(screen)
    text = shown.decode()
    assert process.returncode == 0
    for part in ("2/3 done", "best: trial 0, val_loss 0.5", "epoch 2/5", "finished: all trials"):
        assert part in text


@pytest.mark.study
def test_a_real_study_is_followed_to_its_end(sp500_file: Path, tmp_path: Path) -> None:
    shutil.copy(sp500_file, tmp_path / "sp500.csv")
    script = render_to(tmp_path, changed(MARKET, study={"n_trials": 3}))
    log = tmp_path / "logs" / f"{script.stem}.log"
    follower = subprocess.Popen(child(*COMMAND, log), stdout=subprocess.PIPE, text=True)

    assert follower.stdout
    assert follower.stdout.readline()[20:] == f"waiting for {log}\n"
    assert run(script).returncode == 0
    shown, _ = follower.communicate(timeout=60)

    assert follower.returncode == 0
    assert shown.splitlines()[-1][20:] == f"{script.stem}: finished: all trials are done"
    best = json.loads((tmp_path / "outputs" / script.stem / "best_params.json").read_text())
    assert f"3/3 done, best trial {best['best_trial']}: {best['best_value']:.6g}" in shown


def test_pid_needs_follow() -> None:
    done = CliRunner().invoke(main, ["a.log", "--pid", "7"])

    assert (done.exit_code, "--pid ends --follow" in done.stderr) == (2, True)


@pytest.mark.parametrize("more", [(), ("--to-storage", "sqlite:///s.db")])
def test_pid_ends_after_the_last_line_of_the_process(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    log = running_log(9)
    lines = tmp_path / "lines"
    append(lines, log.lines)
    # Like a script that is killed: it writes lines and ends without the last line of a run.
    program = "import sys; sys.stdin.read(); open('a.log', 'wb').write(open('lines', 'rb').read())"
    writer = subprocess.Popen(
        child(sys.executable, "-c", program), stdin=subprocess.PIPE, cwd=tmp_path
    )
    follower = subprocess.Popen(
        child(*COMMAND, "a.log", "--pid", str(writer.pid), *more),
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert follower.stdout is not None
    assert follower.stdout.readline().endswith("waiting for a.log\n")
    writer.communicate()
    shown = follower.stdout.read()  # unlike communicate, it returns buffered lines, too

    follower.stdout.close()
    assert follower.wait(timeout=60) == 0
    assert ("3 trials written" if more else "2/9 done") in shown


@pytest.mark.study
def test_a_study_is_followed_through_a_stop_and_a_kill(sp500_file: Path, tmp_path: Path) -> None:
    shutil.copy(sp500_file, tmp_path / "sp500.csv")
    script = mortal(render_to(tmp_path, changed(MARKET, study={"n_trials": 3})), [(1, 2)])
    stop = tmp_path / "outputs" / script.stem / "STOP"
    stop.parent.mkdir(parents=True)
    stop.touch()
    log = tmp_path / "logs" / f"{script.stem}.log"
    follower = subprocess.Popen(child(*COMMAND, log), stdout=subprocess.PIPE, text=True)
    assert follower.stdout is not None
    shown = [follower.stdout.readline()]

    assert run(script).returncode == 75
    while "run ended before the total: STOP" not in shown[-1]:
        shown.append(follower.stdout.readline())
    stop.unlink()
    assert run(script).returncode == 9
    while "trial 0 COMPLETE" not in shown[-1]:
        shown.append(follower.stdout.readline())
    assert follower.poll() is None
    assert run(script).returncode == 0
    shown += follower.stdout  # unlike communicate, it returns buffered lines, too

    assert follower.wait(timeout=60) == 0
    changes = [line[20:].rstrip() for line in shown]
    assert f"{script.stem}: a run continues the study" in changes
    follower.stdout.close()
    assert changes[-1] == f"{script.stem}: finished: all trials are done"
