"""A final script: one look at the test split, weights that suffice, continuation after a kill."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from finals import STUDY, events, make_final, make_study, names, weights
from scripts import edit, load, result_of, run

pytestmark = pytest.mark.study
CLOSED = r"^(beats .+ by [\d.]+ \[[\d.]+, [\d.]+\]|within noise of .+|loses to .+|collapsed)$"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, sp500_file: Path) -> Path:
    """Return the script of a finished study."""
    folder = tmp_path_factory.mktemp("final")
    shutil.copy(sp500_file, folder / "sp500.csv")
    return make_study(folder, STUDY)


@pytest.fixture(scope="module")
def final(study: Path) -> Path:
    """Return the final script, which has run."""
    script = edit(make_final(study, "--seeds", "2"), ("N_RESAMPLES = 2000", "N_RESAMPLES = 200"))
    done = run(script)
    assert done.returncode == 0, done.stderr
    script.with_name("stdout").write_text(done.stdout)
    return script


def copy(final: Path, folder: Path, *, with_log: bool = False) -> Path:
    """Copy a final script and its data to another folder."""
    shutil.copy(final.with_name("sp500.csv"), folder / "sp500.csv")
    if with_log:
        for name in ("logs", "outputs"):
            shutil.copytree(final.with_name(name), folder / name)
    return Path(shutil.copy(final, folder / final.name))


def test_the_test_split_is_opened_once_after_all_trainings(final: Path) -> None:
    kinds = names(events(final))
    assert kinds.count("test_opened") == kinds.count("test_result") == 1
    assert kinds[-3:] == ["test_opened", "test_result", "run_end"]
    assert kinds.count("trial_end") == 2


def test_a_missing_file_is_named_with_its_option(final: Path, tmp_path: Path) -> None:
    script = copy(final, tmp_path)
    weights_of = ("--predict", "sp500.csv", "--weights", "x")
    for words in (("--data", "x"), ("--predict", "x"), weights_of):
        done = run(script, *words)
        assert done.returncode == 2
        assert done.stderr.endswith(f"error: no such file: {words[-2]} x\n")


def test_a_second_run_prints_the_same_and_opens_nothing(final: Path, tmp_path: Path) -> None:
    script = copy(final, tmp_path, with_log=True)
    done = run(script)
    assert done.stdout == final.with_name("stdout").read_text()
    assert names(events(script)).count("test_opened") == 1


def test_every_further_evaluation_is_numbered_also_one_that_was_killed(
    final: Path, tmp_path: Path
) -> None:
    script = copy(final, tmp_path, with_log=True)
    opening = "    task.open_test()\n"
    edit(script, (opening, f"    os._exit(9)\n{opening}"))
    assert run(script, "--evaluate-again").returncode == 9
    edit(script, ("    os._exit(9)\n", ""))
    done = run(script, "--evaluate-again")
    assert "EVALUATION 3: the test split was read before" in done.stdout
    assert result_of(done)["evaluation_number"] == 3
    found = [fields["evaluation_number"] for name, fields in events(script) if "test" in name]
    assert found == [1, 1, 2, 3, 3]


def test_a_killed_run_continues_with_the_same_weights(final: Path, tmp_path: Path) -> None:
    script = copy(final, tmp_path)
    place = "        digest = save_weights(self.fit.path"
    die = "        if self.fit.number == 1 and not self.stops.file.with_name('died').exists():\n"
    die += "            self.stops.file.with_name('died').touch()\n            os._exit(9)\n"
    edit(script, (place, die + place))
    assert run(script).returncode == 9
    assert names(events(script)).count("trial_end") == 1
    done = run(script)
    assert done.returncode == 0, done.stderr
    kinds = names(events(script))
    assert kinds.count("trial_start") == 2
    assert kinds.count("trial_resumed") == 1
    assert kinds.count("trial_end") == 2
    assert kinds.count("test_opened") == 1
    folder = Path("outputs", final.stem)
    assert weights(tmp_path / folder) == weights(final.parent / folder)


def test_weights_and_decisions_do_not_depend_on_test_rows(final: Path, tmp_path: Path) -> None:
    script = copy(final, tmp_path)
    table = pd.read_csv(tmp_path / "sp500.csv")
    first = round(len(table) * 0.85)
    table.loc[first:, ["Open", "High", "Low", "Close", "Adj Close"]] *= 1.7
    table.loc[first + 1 :: 3, "High"] *= 1.2
    table.to_csv(tmp_path / "sp500.csv", index=False)
    assert run(script, "--new-data").returncode == 0
    folder = Path("outputs", final.stem)
    old, new = weights(final.parent / folder), weights(tmp_path / folder)
    assert old.keys() == new.keys()
    for name, (tensors, about) in old.items():
        assert new[name][0] == tensors
        for field in ("temperature", "threshold", "value", "statistics"):
            assert new[name][1][field] == about[field]


def test_predictions_from_a_file_of_weights_alone_are_those_of_the_evaluation(
    final: Path, tmp_path: Path
) -> None:
    script = copy(final, tmp_path)
    folder = final.parent / "outputs" / final.stem
    known = pd.read_csv(folder / "test_scores.csv")
    for file, (_, about) in weights(folder).items():
        shutil.copy(folder / file, tmp_path / file)
        done = run(script, "--predict", "sp500.csv", "--weights", file)
        found = pd.read_csv(io.StringIO(done.stdout)).set_index("Date").loc[known["Date"]]
        expected = known[file.removesuffix(".safetensors")].to_numpy()
        np.testing.assert_allclose(found["probability"], expected, atol=1e-6)
        decisions = (found["probability"] >= about["threshold"]).astype(int)
        assert (found["decision"] == decisions).all()
    assert not (tmp_path / "logs").exists()


def test_rows_without_labels_are_scored(final: Path) -> None:
    rows = final.with_name("sp500.csv").read_text().splitlines()
    final.with_name("new.csv").write_text("\n".join([rows[0], *rows[-61:]]) + "\n")
    done = run(final, "--predict", "new.csv", "--output", "scores.csv")
    assert (done.returncode, done.stdout) == (0, "")
    assert len(final.with_name("scores.csv").read_text().splitlines()) == 3


def test_every_verdict_is_of_the_closed_list(final: Path) -> None:
    (result,) = (fields for name, fields in events(final) if name == "test_result")
    verdicts = [result["verdict"], *(gain["verdict"] for gain in result["comparisons"])]
    assert pd.Series(verdicts).str.fullmatch(CLOSED).all()
    assert final.with_name("stdout").read_text().count(f": {result['verdict']}\n")
    baselines = {gain["baseline"] for gain in result["comparisons"]}
    assert baselines == {"class prior", "daily range", "linear start", "gradient boosting"}


def test_altered_weights_are_refused(final: Path, tmp_path: Path) -> None:
    script = copy(final, tmp_path, with_log=True)
    path = next((tmp_path / "outputs" / final.stem).glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    done = run(script)
    assert done.returncode == 2
    assert f"{path.name} is missing or altered" in done.stderr


def test_validation_rows_train_only_if_asked_for(final: Path, tmp_path: Path) -> None:
    script = copy(final, tmp_path, with_log=True)
    both = ("--train-on", "train+validation")
    refused = run(script, *both)
    assert (refused.returncode, "train_on was" in refused.stderr) == (2, True)
    done = run(script, *both, "--log", "logs/final_both.log", "--out", "both")
    assert result_of(done)["evaluation_number"] == 2  # the other log read the same test split
    found = events(script, "logs/final_both.log")
    ends = [fields for name, fields in found if name == "trial_end"]
    assert [fields["train_on"] for fields in ends] == [both[1]] * 2
    old = weights(tmp_path / "outputs" / final.stem)
    for name, (tensors, about) in weights(tmp_path / "both").items():
        assert tensors != old[name][0]
        assert about["temperature"] == old[name][1]["temperature"]


@pytest.mark.slow
def test_an_exported_model_gives_the_same_logits_for_any_batch(final: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    done = run(final, "--export", "onnx")
    assert done.returncode == 0, done.stderr
    exported = final.parent / done.stdout.splitlines()[-1]
    names = load(final)
    task = names["FinalTask"](str(final.with_name("sp500.csv")), None)
    weights = exported.with_suffix(".safetensors")
    model, _ = names["load_model"](weights, task, torch.device("cpu"))
    session = onnxruntime.InferenceSession(str(exported))
    for batch in (1, 7):
        inputs = torch.randn(batch, *task.example().shape[1:])
        with torch.inference_mode():
            expected = model(inputs)
        (found,) = session.run(None, {"inputs": inputs.numpy()})
        torch.testing.assert_close(torch.tensor(found), expected)


def test_an_export_names_the_package_that_it_needs(final: Path, tmp_path: Path) -> None:
    (tmp_path / "onnxscript.py").write_text("raise ModuleNotFoundError(name='onnxscript')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, str(final), "--export", "onnx"]
    done = subprocess.run(
        command, cwd=final.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "onnxscript is not installed: python -m pip install" in done.stderr


def test_each_verdict_is_given_where_it_is_due(final: Path) -> None:
    names = load(final)
    task = names["FinalTask"](str(final.with_name("sp500.csv")), None)
    task.load(torch.device("cpu"))
    task.open_test()
    about = {"it": {"value": 0.4, "temperature": 1.0, "threshold": 0.3}}
    baselines, best = task.baseline_scores(False)
    assert best == "linear start"
    strongest = baselines[best]

    def verdict(scores: np.ndarray) -> str:
        found = names["seeds_result"](task, ["it"], {"it": scores}, about, {best: strongest})
        return str(names["verdict_on"](task, found, best))

    sure = 8 * task.test.labels - 4
    assert verdict(strongest) == "within noise of linear start"
    assert verdict(sure).startswith("beats linear start by 0.2")
    assert verdict(-strongest) == "loses to linear start"
    assert verdict(0.1 * strongest) == "collapsed"
    assert verdict(strongest - 10) == "collapsed"
    task.test = task.test._replace(labels=0 * task.test.labels)
    assert verdict(strongest) == "too few positives"
