"""Log lines for the tests of recover-trials: small studies, formatted by the real tables."""

from __future__ import annotations

import io
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import version1
from hpo_script.machinery import log_lines
from recover_trials import Recovery, Study, read_trials
from version1 import escape_line_start, time_stamp

STUDY, OTHER_STUDY = "0123456789ab", "ba9876543210"
RUN, LATER_RUN = "1a2b3c4d", "5e6f7a8b"
EPOCH = datetime.fromisoformat("2026-11-21 10:15:00.123456")
STAMP = "[I 2026-11-21 10:15:00,123] "
ARCHITECTURE = {
    "arch_idx": 57,
    "d_model": 64,
    "n_layers": 48,
    "n_heads": 8,
    "param_count": 2_414_273,
}
SEARCH_SPACE = {
    "shape_idx": {"name": "IntDistribution", "attributes": {"low": 0, "high": 5}},
    "learning_rate": {"name": "FloatDistribution", "attributes": {"low": 1e-5, "high": 0.1}},
    "dropout": {"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 0.5}},
}
PARAMS = {"shape_idx": 3, "learning_rate": 0.00012520653814659472, "dropout": 0.1}
# Texts that look like parts of lines.
HOSTILE_TEXTS = (
    'it\'s "x" {a}, b: }',
    ". Best is trial 3 with value: 0.1.",
    "Trial 9 finished with value: 1.0 and parameters: {}. Best is trial 9 with value: 1.0.",
    " because of the following error: x.",
    " and parameters: {'a': 1}",
    f"{STAMP}Trial 3 ended: ...",
    f"{STAMP}Trial 3 pruned. ",
    "first\nsecond\r\nthird\u2028fourth\x85",
    " ;deadbeef",
    ', study="x", run=1',
    "back\\slash'\\",
    "\x1b[31mred\x1b[0m\x1b[2J",
    "nul\0",
    "é€😀[bold]",
)


def moment(seconds: float) -> datetime:
    """Return the time `seconds` after the start of the study."""
    return EPOCH + timedelta(seconds=seconds)


class SampleLog:
    """The log of one run of a study of version 1, line by line."""

    table: Any = version1
    experiment: tuple[str, ...] = version1.EXPERIMENT

    def __init__(self, study: str = STUDY, run: str = RUN, since: float = 0) -> None:
        self.identity, self.since = {"study": study, "run": run}, since
        self.lines: list[str] = []

    def add(self, event: str, fields: dict[str, Any]) -> str:
        """Append the line of an event; return it."""
        time = moment(self.since + len(self.lines))
        self.lines.append(self.table.format_event(event, {**fields, **self.identity}, time=time))
        return self.lines[-1]

    def open_run(self, **about: Any) -> str:
        """Append the line that opens a run."""
        fields = {"name": "hpo_2M_h1", "metric": "val_loss", "direction": "minimize"}
        fields |= {"search_space": SEARCH_SPACE, "unit": "epoch"}
        return self.add("run_start", {**dict.fromkeys(self.experiment), **fields, **about})

    def start(self, trial: int, **more: Any) -> str:
        """Append the line of a trial that starts `trial` minutes after the study."""
        fixed = {"epochs": 50, "batch_size": 256, "d_ff": 256, "kind": "search"}
        fields = {"trial": trial, **ARCHITECTURE, **PARAMS, **fixed, "config_id": f"c{trial}"}
        return self.add("trial_start", {**fields, "datetime_start": self.began(trial), **more})

    def evaluate(self, trial: int, epoch: int, **metrics: Any) -> str:
        """Append a point of the learning curve."""
        fields = {"trial": trial, "unit": "epoch", "step": epoch, **ARCHITECTURE, "d_ff": 256}
        return self.add("evaluation", {**fields, **metrics})

    def end(self, trial: int, state: str = "COMPLETE", value: Any = 0.5, **more: Any) -> str:
        """Append the line of a trial that ends half a minute after its start."""
        fields = {"trial": trial, **ARCHITECTURE, **PARAMS, "d_ff": 256, "state": state}
        times = {
            "datetime_start": self.began(trial),
            "datetime_complete": str(moment(60 * trial + 30)),
        }
        return self.add("trial_end", {**fields, "value": value, **times, **more})

    def plain(self, message: str) -> str:
        """Append a line as Optuna would print it, in the way of the script's log writer."""
        self.lines.append(
            time_stamp(moment(len(self.lines)), "I") + escape_line_start(message, "(")
        )
        return self.lines[-1]

    @staticmethod
    def began(trial: int) -> str:
        """Return when a trial starts, as the study writes it."""
        return str(moment(60 * trial))


class SampleLog2(SampleLog):
    """The same of version 2: an end line has the whole learning curve."""

    table = log_lines
    experiment = log_lines.FIELDS["run_start"][:-2]

    def __init__(self, study: str = STUDY, run: str = RUN, since: float = 0) -> None:
        super().__init__(study, run, since)
        self.curves: dict[int, list[dict[str, Any]]] = {}

    def open_run(self, **about: Any) -> str:
        """Append the line that opens a run."""
        fields = {"log_version": 2, "budget": 2_000_000, "horizon": 1, "task": "threshold_1pct"}
        return super().open_run(**{**fields, **about})

    def evaluate(self, trial: int, epoch: int, **metrics: Any) -> str:
        """Append a point of the learning curve."""
        self.curves.setdefault(trial, []).append({"epoch": epoch, **metrics})
        return super().evaluate(trial, epoch, **metrics)

    def resume(self, trial: int, epoch: int, curve: list[dict[str, Any]], **more: Any) -> str:
        """Append the line of a trial that continues after an epoch."""
        self.curves[trial] = list(curve)
        fields = {"trial": trial, **ARCHITECTURE, "d_ff": 256, "epoch": epoch, "batches": 0}
        return self.add("trial_resumed", {**fields, "learning_curve": curve, **more})

    def end(self, trial: int, state: str = "COMPLETE", value: Any = 0.5, **more: Any) -> str:
        """Append the line of a trial that ends half a minute after its start."""
        curve = {"learning_curve": self.curves.get(trial, [])}
        about = {"epochs": 50, "batch_size": 256, "kind": "search", "config_id": f"c{trial}"}
        return super().end(trial, state, value, **{**curve, **about, **more})


def sample_log(study: str = STUDY) -> SampleLog:
    """Return a log of three trials: finished, pruned, still running."""
    log = SampleLog(study)
    log.open_run()
    log.start(0)
    log.evaluate(0, 1, val_loss=0.75)
    log.evaluate(0, 2, val_loss=0.5)
    log.end(0, value=0.5)
    log.plain(
        "Trial 0 finished with value: 0.5 and parameters: {'shape_idx': 3, 'learning_rate':"
        " 0.00012520653814659472, 'dropout': 0.1}. Best is trial 0 with value: 0.5."
    )
    log.start(1)
    log.evaluate(1, 1, val_loss=0.875)
    log.end(1, "PRUNED", 0.875)
    log.plain("Trial 1 pruned. ")
    log.start(2)
    return log


def sample_log2() -> SampleLog2:
    """Return a log of version 2: a trial finished, one resumed, one running."""
    log = SampleLog2()
    log.open_run()
    log.start(0)
    log.evaluate(0, 1, val_loss=0.75, collapsed=True)
    log.end(0, value=0.75)
    log.start(1)
    log.evaluate(1, 1, val_loss=0.5)
    log.resume(1, 1, [{"epoch": 1, "val_loss": 0.5}])
    log.end(1, "PRUNED", 0.5)
    log.start(2)
    log.evaluate(2, 1, val_loss=0.25, system_attrs={"completed_rung_0": 0.25})
    return log


def recover(*logs: str | bytes | list[str]) -> Recovery:
    """Return the recovery from logs, each given as text, bytes or lines."""
    return read_trials([io.BytesIO(as_bytes(log)) for log in logs])


def recover_one(*logs: str | bytes | list[str]) -> Study:
    """Return the only study in logs."""
    (study,) = recover(*logs).studies
    return study


def as_bytes(log: str | bytes | list[str]) -> bytes:
    """Return a log as a file holds it."""
    if isinstance(log, list):
        log = "".join(f"{line}\n" for line in log)
    return log.encode() if isinstance(log, str) else log


def contents_of(recovery: Recovery) -> dict[str, list[dict[str, Any]]]:
    """Return all fields of the trials of each study as text, which is equal for NaN."""
    return {
        study.key: [{f.name: repr(getattr(t, f.name)) for f in fields(t)} for t in study.rows]
        for study in recovery.studies
    }
