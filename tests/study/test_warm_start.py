"""`hpogen render --warm-start`: the best configurations of one budget come after the extremes of another."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hpogen.check import header_spec, read_script
from hpogen.cli import main
from hpogen.spec import Spec
from ladders import Truth, architecture_of, end_trial, study_log
from recover_samples import SampleLog2
from scripts import QUICK, changed, log_of, render_to, run, study_of

RATES = "search.learning_rate={type: float, low: 1e-4, high: 1e-2, log: true}"
DROPOUT = "search.dropout={type: float, low: 0, high: 0.5}"


def render(folder: Path, *arguments: object) -> Result:
    """Render a script of 2M parameters; return the result of the command."""
    words = ["--budget", "2M", "--horizon", 1, "--out", folder, "--set", DROPOUT, *arguments]
    return CliRunner().invoke(main, ["render", *map(str, words)])


def written(log: SampleLog2, path: Path) -> Path:
    path.write_text("".join(f"{line}\n" for line in log.lines))
    return path


def spec_in(folder: Path) -> Spec:
    return spec_of_script(folder / "hpo_2M_h1.py")


def spec_of_script(script: Path) -> Spec:
    spec = header_spec(script, read_script(script))
    assert isinstance(spec, Spec)
    return spec


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the log of a study of 50K; its best learning rate at 50K is 0.009."""
    return written(study_log(Truth(noise=0.0), 50_000), tmp_path / "50K.log")


def test_the_best_values_are_embedded_in_their_order(log: Path, tmp_path: Path) -> None:
    done = render(tmp_path, "--warm-start", log, "--set", RATES.replace("1e-2", "1"))
    assert done.exit_code == 0, done.stderr
    configs = spec_in(tmp_path).warm_start
    assert len(configs) == 4
    offs = [abs(config["learning_rate"] / 0.009 - 1) for config in configs]
    assert max(offs) < 0.5
    assert all(config["arch_idx"] in spec_in(tmp_path).space().allowed for config in configs)


def test_a_value_outside_of_the_new_space_is_reported_and_left_out(
    log: Path, tmp_path: Path
) -> None:
    done = render(tmp_path, "--warm-start", log, "--set", RATES.replace("1e-2", "1e-3"))
    assert done.exit_code == 0, done.stderr
    assert "is outside of the new space and left out" in done.stderr
    assert "learning_rate" in done.stderr
    configs = spec_in(tmp_path).warm_start
    assert configs
    assert all("learning_rate" not in config for config in configs)


def test_a_study_of_another_task_is_refused(tmp_path: Path) -> None:
    path = written(study_log(Truth(), 50_000, task="direction"), tmp_path / "50K.log")
    done = render(tmp_path, "--warm-start", path)
    assert done.exit_code == 2
    assert "its task is direction" in done.stderr


def test_the_place_of_the_aspect_ratio_transfers(tmp_path: Path) -> None:
    log = SampleLog2("a" * 12)
    log.open_run(name="hpo_50K_h1", budget=50_000)
    sizes = architecture_of(50_000)
    for number, (d_model, n_layers) in enumerate([(16, 12), (64, 1), (64, 1)]):
        arch = sizes | {"d_model": d_model, "n_layers": n_layers, "d_ff": 4 * d_model}
        end_trial(log, number, 3.0 - number, arch, {"dropout": 0.1 * number})
    path = written(log, tmp_path / "50K.log")
    assert render(tmp_path, "--warm-start", path).exit_code == 0
    spec = spec_in(tmp_path)
    aspects = [row["d_model"] / row["n_layers"] for row in spec.architectures]
    widest, _, deepest = [config["arch_idx"] for config in spec.warm_start]
    assert aspects[widest] == max(aspects)
    assert aspects[deepest] == min(aspects)


def test_the_script_tries_them_after_the_extremes(tmp_path: Path, sp500_file: Path) -> None:
    config = changed(QUICK, data={"data_path": str(sp500_file)}, study={"n_trials": 2})
    small = render_to(tmp_path, config)
    assert run(small).returncode == 0
    words = ["--config", tmp_path / "config.yaml", "--budget", "3K", "--out", tmp_path]
    words += ["--warm-start", log_of(small), "--n-trials", 6, "--seed", 7]
    done = CliRunner().invoke(main, ["render", *map(str, words)])
    assert done.exit_code == 0, done.stderr
    large = tmp_path / "hpo_3K_h1.py"
    assert run(large).returncode == 0
    best = study_of(small).best("minimize")
    trials = list(study_of(large).trials.values())
    n_extremes = len(spec_of_script(large).extremes)
    assert best is not None
    kinds = [trial.attributes["kind"] for trial in trials]
    assert kinds == [
        *["extreme"] * n_extremes,
        "warm_start",
        "warm_start",
        *["search"] * (4 - n_extremes),
    ]
    first = trials[n_extremes].attributes
    assert first["learning_rate"] == best.attributes["learning_rate"]
