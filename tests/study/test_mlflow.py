"""MLflow gets a copy of every trial, and neither its errors nor its slowness touch the study."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from scripts import QUICK, changed, mortal, render_to, run, run_until_done, study_of, table

mlflow = pytest.importorskip("mlflow", reason="needs mlflow: pip install 'hpogen[mlflow]'")
pytestmark = [
    pytest.mark.study,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of MLflow and SQLAlchemy
]
CONFIG = changed(QUICK, sections=["mlflow"], study={"n_trials": 2}, fixed={"epochs": 3})


def runs(folder: Path) -> dict[int, Any]:
    """Return the runs in the database of a folder, by trial."""
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("hpogen")
    found = client.search_runs([experiment.experiment_id])
    curves = {
        int(each.data.tags["trial"]): (
            each,
            [
                (point.step, point.value)
                for point in client.get_metric_history(each.info.run_id, "val_loss")
            ],
        )
        for each in found
    }
    assert len(curves) == len(found)
    return curves


def test_runs_are_the_trials_of_the_log(sp500: Path, tmp_path: Path) -> None:
    script = mortal(render_to(tmp_path, CONFIG), [(1, 2)])
    assert run_until_done(script, "--checkpoint-minutes", "0") == 1
    trials = study_of(script).trials
    found = runs(tmp_path)
    assert found.keys() == trials.keys()
    for number, (each, curve) in found.items():
        trial = trials[number]
        assert each.info.status == "FINISHED"
        assert each.data.tags["state"] == trial.state
        assert each.data.metrics["value"] == trial.value
        assert dict(curve) == {point["epoch"]: point["val_loss"] for point in trial.curve}
        for name in ("d_model", "learning_rate", "dropout"):
            assert each.data.params[name] == str(trial.attributes[name])


def test_a_server_that_does_not_answer_changes_no_result(
    sp500: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(sp500, other)
    plain = render_to(other, changed(CONFIG, sections=[]))
    script = render_to(tmp_path, CONFIG)
    assert run(plain).returncode == 0
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    done = run(script)
    assert done.returncode == 0
    assert "mlflow: " in done.stderr
    columns = ("number", "value", "params_learning_rate", "state")
    with_mlflow, without = (
        [[row[c] for c in columns] for row in table(s)] for s in (script, plain)
    )
    assert with_mlflow == without


def test_a_smoke_test_is_not_sent(sp500: Path, tmp_path: Path) -> None:
    assert run(render_to(tmp_path, CONFIG), "--smoke").returncode == 0
    assert not (tmp_path / "mlflow.db").exists()
