"""Small scripts for tests: rendered from a configuration, imported or run."""

from __future__ import annotations

import atexit
import copy
import csv
import functools
import io
import json
import re
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from children import child
from hpo_script.machinery.log_file import read_log
from hpo_script.machinery.logged_study import LoggedStudy
from hpogen.configuration.yaml_file import read_config
from hpogen.rendering.render import render
from hpogen.spec import Spec, make_spec
from warm import Run, Warm
from warm import __file__ as WARM

MARKET: dict[str, Any] = {
    "budget": "9K",
    "horizon": 1,
    "study": {"n_trials": 3},
    "data": {"data_path": "sp500.csv"},
    "architecture": {
        "d_model": [8, 16, 24],
        "n_layers": [1, 2, 4],
        "n_heads": [2, 4],
        "d_ff_ratio": [2, 4],
    },
    "search": {
        "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True},
        "dropout": {"type": "float", "low": 0.0, "high": 0.3},
    },
    "fixed": {"epochs": 2, "weight_decay": 0.001, "warmup_steps": 5},
}
TEXT: dict[str, Any] = {
    "task": "byte_lm",
    "budget": "20K",
    "study": {"n_trials": 2},
    "data": {"data_path": "text"},
    "splits": {"val_bytes": 4096},
    "model": {"context_length": 32},
    "architecture": {
        "d_model": [16, 24, 32],
        "n_layers": [1, 2, 4],
        "n_heads": [2, 4],
        "d_ff_ratio": [4],
    },
    "search": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
    "fixed": {
        "steps": 8,
        "eval_interval": 4,
        "batch_size": 16,
        "dropout": 0.1,
        "weight_decay": 0.01,
        "warmup_steps": 2,
    },
}

LABELS: dict[str, Any] = {
    "task": "text_classification",
    "budget": "20K",
    "study": {"n_trials": 2},
    "data": {"data_path": "notices.csv", "labels": ["apache-2.0", "mit"]},
    "splits": {"group_column": "group"},
    "model": {"context_length": 64},
    "architecture": {
        "d_model": [16, 24, 32],
        "n_layers": [1, 2, 4],
        "n_heads": [2, 4],
        "d_ff_ratio": [4],
    },
    "search": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
    "fixed": {
        "epochs": 2,
        "batch_size": 32,
        "dropout": 0.1,
        "weight_decay": 0.01,
        "warmup_steps": 5,
        "class_balance": 0.5,
        **dict.fromkeys(("token_dropout", "token_swap", "char_noise"), 0.1),
    },
}

SPANS: dict[str, Any] = {
    "task": "span_extraction",
    "budget": "25K",
    "study": {"n_trials": 2},
    "data": {"data_path": "spans.csv"},
    "splits": {"group_column": "group"},
    "model": {"context_length": 32, "hash_buckets": 256, "max_answer": 8},
    "architecture": {
        "d_model": [16, 24, 32],
        "n_layers": [1, 2, 4],
        "n_heads": [2, 4],
        "d_ff_ratio": [4],
    },
    "search": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
    "fixed": {
        "epochs": 2,
        "batch_size": 32,
        "dropout": 0.1,
        "weight_decay": 0.01,
        "warmup_steps": 5,
        **dict.fromkeys(("token_dropout", "token_swap", "char_noise"), 0.1),
    },
}

SHARED: dict[str, Any] = {
    **SPANS,
    "task": "text_shared",
    "data": {"data_path": "joint.csv", "labels": ["apache-2.0", "mit"]},
    "fixed": {**SPANS["fixed"], "span_weight": 0.5, "class_balance": 0.5},
}
JOINT: dict[str, Any] = {**SHARED, "task": "text_joint", "budget": "50K"}


def changed(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a configuration with changes; a dict changes a section, None removes a key."""
    found = copy.deepcopy(config)
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(found.get(name), dict):
            for key, item in value.items():
                if item is None:
                    del found[name][key]
                else:
                    found[name][key] = item
        else:
            found[name] = value
    return found


# Small and short, where it does not matter what is learnt.
QUICK = changed(
    MARKET,
    budget="2K",
    tolerance=0.5,
    architecture={"d_model": [8], "n_layers": [1, 2], "n_heads": [2, 4], "d_ff_ratio": [2, 4]},
    splits={"train_subset": 0.1},
    data={"feature_columns": ["Close"]},
    fixed={"epochs": 1, "batch_size": 512},
)


def spec_of(folder: Path, config: dict[str, Any]) -> Spec:
    """Return the specification of a configuration."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return make_spec(config=read_config(path))


def render_to(folder: Path, config: dict[str, Any]) -> Path:
    """Render a configuration into a folder; return the script."""
    spec = spec_of(folder, config)
    script = folder / f"{spec.name}.py"
    script.write_text(render(spec))
    return script


def load(script: Path) -> dict[str, Any]:
    """Return the names of a script, without running it."""
    return runpy.run_path(str(script))


def load_task(script: Path) -> tuple[dict[str, Any], Any]:
    """Return the names of a script and its task, with the data on the CPU."""
    names = load(script)
    task = names["Task"](str(script.parent / names["DATA_PATH"]), None)
    task.load(torch.device("cpu"))
    return names, task


def curve_of(
    names: dict[str, Any],
    task: Any,
    *,
    key: tuple[int, int] = (42, 0),
    micro_batch: int = 4096,
    **changes: Any,
) -> list[dict[str, Any]]:
    """Train the first architecture of a script; return the learning curve."""
    config = {**names["FIXED_PARAMS"], "learning_rate": 0.003, "dropout": 0.2, **changes}
    arch = names["ARCHITECTURES"][0]
    training = names["Training"](task, arch, config, key, torch.device("cpu"))
    micro_batch = min(micro_batch, config["batch_size"])
    return list(names["train"](training, micro_batch=micro_batch, after_batch=lambda _share: None))


def edit(script: Path, *pairs: tuple[str, str]) -> Path:
    """Replace text in a script, each exactly once."""
    text = script.read_text()
    for old, new in pairs:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {script}"
        text = text.replace(old, new)
    script.write_text(text)
    return script


DIE = """\
def die(number: int, step: int) -> None:
    places = json.loads(Path("die").read_text()) if Path("die").exists() else []
    if [number, step] in places:
        places.remove([number, step])
        Path("die").write_text(json.dumps(places))
        os._exit(9)


class KilledError(Exception):"""


def mortal(script: Path, places: Sequence[tuple[int, int]]) -> Path:
    """Let a script die once at each of these places: after an optimizer step of a trial."""
    script.with_name("die").write_text(json.dumps(places))
    inner = "            self.progress.update(share)\n"
    return edit(
        script,
        ("class KilledError(Exception):", DIE),
        (inner, f"            die(number, training.step)\n{inner}"),
    )


def run_until_done(script: Path, *arguments: str) -> int:
    """Run a script again as often as it dies; return how often it died."""
    deaths = 0
    while (done := run(script, *arguments)).returncode == 9:
        deaths += 1
    assert done.returncode == 0, done.stderr
    return deaths


@functools.cache
def warm() -> Warm:
    """Return the server of warm runs, which ends with this process."""
    found = Warm()
    atexit.register(found.close)
    return found


# `python hpo_….py` is a warm run; everything else is Python itself.
WARM_PYTHON = """\
#!/bin/sh
case "$1" in
*hpo_*.py) exec {run} "$@" ;;
*) exec {python} "$@" ;;
esac
"""


def write_program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def write_warm_python(path: Path) -> Path:
    """Write a program that runs scripts warm and is Python for everything else."""
    text = WARM_PYTHON.format(python=sys.executable, run=" ".join(warm_run()))
    return write_program(path, text)


def installed(command: str) -> str:
    """Return the file of an installed command."""
    return str(Path(sys.executable).with_name(command))


def warm_run(*file: str) -> list[str]:
    """Return a command that runs a file warm."""
    return [sys.executable, "-I", "-S", WARM, "run", warm().socket, *file]


def write_warm_command(folder: Path, command: str) -> None:
    """Write a program that runs an installed command warm."""
    run = " ".join(warm_run(installed(command)))
    write_program(folder / command, f'#!/bin/sh\nexec {run} "$@"\n')


class Started(Run):
    """A file that runs in a folder, with its output and errors in one text."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        self.file = tempfile.TemporaryFile("w+")  # noqa: SIM115
        outputs = self.file.fileno(), self.file.fileno()
        super().__init__(warm().socket, folder, words, outputs)

    def wait(self, timeout: float | None = None) -> int | None:
        """Return the exit code, minus the signal that ended it; None if it still runs then."""
        code = super().wait(timeout)
        if code is not None and not self.file.closed:
            self.file.seek(0)
            self.output = self.file.read()
            self.file.close()
        return code

    def said(self) -> str:
        """Wait for the end; return what was printed."""
        self.wait()
        return self.output


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in its folder, forked from a process that has its packages loaded."""
    return run_in(script.parent, script.name, *arguments)


def run_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a file, with its arguments, in a folder, as `run` does."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        running = Run(warm().socket, folder, words, (out.fileno(), errors.fileno()))
        code = running.wait()
        assert code is not None
        for file in (out, errors):
            file.seek(0)
        return subprocess.CompletedProcess(list(words), code, out.read(), errors.read())


def run_cold(
    script: Path, *arguments: str, options: Sequence[str] = ("-I",), **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run a script alone: isolated from the environment, in its own folder."""
    return subprocess.run(
        child(sys.executable, *options, script.name, *arguments),
        cwd=script.parent,
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def start(script: Path, *arguments: str) -> Started:
    """Start a script in its folder, as `run` does."""
    return Started(script.parent, [script.name, *arguments])


def wait_for(condition: Callable[[], bool], process: Started) -> None:
    """Wait until a condition holds, as long as a process runs."""
    while not condition():
        assert process.poll() is None, process.said()
        time.sleep(0.02)


def read_json(path: Path) -> Any:
    """Return the content of a file."""
    return json.loads(path.read_text())


def result_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return what the last line of stdout has."""
    *_, last = done.stdout.splitlines()
    assert last.startswith("RESULT "), done.stdout
    found: dict[str, Any] = json.loads(last.removeprefix("RESULT "))
    return found


def log_of(script: Path) -> Path:
    """Return the log of a script."""
    return script.parent / "logs" / f"{script.stem}.log"


def study_of(script: Path) -> LoggedStudy:
    """Return the study of a script's log, which has no damaged line."""
    log = read_log(log_of(script))
    assert log.damaged == []
    return log.study


VARYING = re.compile("datetime|duration|second|peak_memory")


def table(script: Path) -> list[dict[str, str]]:
    """Return the result table of a script without the columns that vary from run to run."""
    path = script.parent / "outputs" / script.stem / "trials.csv"
    rows = csv.DictReader(io.StringIO(path.read_text()))
    return [{n: v for n, v in row.items() if not VARYING.search(n)} for row in rows]
