"""--trial-from: a trial again from its own record, to the same value, and nothing vouched for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts import MARKET, changed, load, read_json, render_to, run

SHORT = changed(
    MARKET,
    splits={"train_subset": 0.1},
    data={"feature_columns": ["Close"]},
    study={"n_trials": 1},
)
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory, sp500_file: Path) -> Path:
    """Return the script of a finished trial."""
    folder = tmp_path_factory.mktemp("finished")
    found = render_to(folder, changed(SHORT, data={"data_path": str(sp500_file)}))
    assert run(found).returncode == 0
    return found


class Again:
    """The parts of a rendered script that --trial-from calls."""

    def __init__(self, script: Path) -> None:
        self.names = load(script)
        self.task = self.names["make_task"](load(script)["DATA_PATH"])
        self.task.load(torch.device("cpu"))
        self.experiment = self.names["make_experiment"]()

    def __call__(self, path: Path) -> int:
        """Return the exit code for a file."""
        code: int = self.names["repeat_trial"](
            path, self.task, self.experiment, torch.device("cpu")
        )
        return code


@pytest.fixture(scope="module")
def again(script: Path) -> Again:
    """Return what trains a record again."""
    return Again(script)


def record_of(script: Path) -> dict[str, Any]:
    """Return the record of its trial."""
    record: dict[str, Any] = read_json(
        script.parent / "outputs" / script.stem / "trials" / "trial_0000.json"
    )
    return record


def test_a_trial_trained_again_from_its_record_is_the_same(script: Path) -> None:
    record = record_of(script)
    before = {p: p.read_bytes() for p in script.parent.rglob("*") if p.is_file()}
    done = run(script, "--trial-from", f"outputs/{script.stem}/trials/trial_0000.json")

    *points, last = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert [point.endswith("} as recorded") for point in points] == [True, True]
    assert last == f"trial 0: value {record['value']!r}, the same"
    assert {p: p.read_bytes() for p in script.parent.rglob("*") if p.is_file()} == before


def a_value(record: dict[str, Any]) -> None:
    record["value"] -= 1e-9


def a_metric(record: dict[str, Any]) -> None:
    record["user_attrs"]["learning_curve"][1]["auc"] += 1e-9


def a_parameter(record: dict[str, Any]) -> None:
    record["params"]["learning_rate"] *= 1.01


def the_seed(record: dict[str, Any]) -> None:
    record["user_attrs"]["seed"] += 1


def the_number(record: dict[str, Any]) -> None:
    record["trial_number"] = 7


@pytest.mark.parametrize("change", [a_value, a_metric, a_parameter, the_seed, the_number])
def test_a_record_that_was_edited_is_not_the_same(
    change: Change,
    script: Path,
    again: Again,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = record_of(script)
    change(record)
    (tmp_path / "edited.json").write_text(json.dumps(record))

    assert again(tmp_path / "edited.json") == 1
    assert capsys.readouterr().out.endswith(", NOT the same\n")


@pytest.mark.parametrize(("state", "last"), [("COMPLETE", 0), ("PRUNED", 1)])
def test_the_value_of_a_pruned_trial_is_its_last_and_of_a_complete_one_its_best(
    state: str, last: int, script: Path, again: Again, tmp_path: Path
) -> None:
    record = record_of(script)
    values = [point["val_loss"] for point in record["user_attrs"]["learning_curve"]]
    assert values[0] > values[1]
    for index, value in enumerate(values):
        told = {**record, "state": state, "value": value}
        (tmp_path / "told.json").write_text(json.dumps(told))
        assert again(tmp_path / "told.json") == (0 if index == 1 else 1)


@pytest.mark.parametrize("arch_idx", [None, 10_000])
def test_the_architecture_is_the_recorded_one_wherever_it_stands_in_the_list(
    arch_idx: int | None, script: Path, again: Again, tmp_path: Path
) -> None:
    record = record_of(script)
    record["user_attrs"]["arch_idx"] = arch_idx
    (tmp_path / "moved.json").write_text(json.dumps(record))

    assert again(tmp_path / "moved.json") == 0


def nothing(record: dict[str, Any]) -> None:
    record.clear()


def no_evaluation(record: dict[str, Any]) -> None:
    record["user_attrs"]["learning_curve"] = []


def another_architecture(record: dict[str, Any]) -> None:
    record["user_attrs"]["d_model"] += 8


def heads_that_do_not_fit(record: dict[str, Any]) -> None:
    record["user_attrs"]["n_heads"] = 3


def heads_that_are_text(record: dict[str, Any]) -> None:
    record["user_attrs"]["n_heads"] = "two"


def no_learning_rate(record: dict[str, Any]) -> None:
    del record["params"]["learning_rate"]


def another_loss(record: dict[str, Any]) -> None:
    record["user_attrs"]["loss"] = "nobody's"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (nothing, "not the record of a trial: 'user_attrs'"),
        (no_evaluation, "it has no evaluation to compare with"),
        (another_architecture, r"{'d_model': \d+, .*}: the model has [\d,]+ parameters"),
        (heads_that_do_not_fit, "shape "),
        (heads_that_are_text, "not the record of a trial: invalid literal"),
        (no_learning_rate, "there is no 'learning_rate' here"),
        (another_loss, 'there is no "nobody\'s" here'),
    ],
)
def test_what_is_no_record_of_this_script_is_refused(
    change: Change, said: str, script: Path, again: Again, tmp_path: Path
) -> None:
    record = record_of(script)
    change(record)
    (tmp_path / "other.json").write_text(json.dumps(record))

    with pytest.raises(Exception, match=f"^--trial-from {tmp_path}/other.json: {said}"):
        again(tmp_path / "other.json")


@pytest.mark.parametrize("name", ["none.json", "folder", "text.json"])
def test_a_file_that_is_no_record_is_refused(name: str, again: Again, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.json").write_text("trial 3")

    with pytest.raises(Exception, match=f"^--trial-from {tmp_path}/{name}: not the record"):
        again(tmp_path / name)


def test_exit_codes_tell_the_three_apart(script: Path, tmp_path: Path) -> None:
    record = record_of(script)
    a_value(record)
    (tmp_path / "edited.json").write_text(json.dumps(record))
    done = [run(script, "--trial-from", str(tmp_path / f)) for f in ("edited.json", "none.json")]

    assert [each.returncode for each in done] == [1, 2]
    assert done[1].stderr.startswith(f"error: --trial-from {tmp_path}/none.json: ")
    assert "Traceback" not in done[1].stderr
