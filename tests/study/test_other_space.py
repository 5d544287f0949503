"""A changed search space, or script, under an old study: told exactly, and its trials go on."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.trial import FrozenTrial, TrialState

from recover_trials import Study, read_trials
from scripts import QUICK, changed, edit, load, read_json, render_to, run

pytestmark = pytest.mark.study

NEW = "outputs/hpo_2K_h1-2"
OLD_SPACE = changed(
    QUICK,
    study={"n_trials": 7},
    search={"loss": {"type": "categorical", "choices": ["bce", "focal"]}},
    sampler={"n_startup_trials": 2, "multivariate": True},
)
CHANGES: dict[str, Any] = {
    "study": {"n_trials": 12},
    "architecture": {"n_layers": [1]},
    "search": {
        "loss": {"type": "categorical", "choices": ["weighted_bce", "bce"]},
        "dropout": {"type": "float", "low": 0.0, "high": 0.15},
        "weight_decay": {"type": "float", "low": 0.0005, "high": 0.002, "log": True},
    },
    "fixed": {"weight_decay": None, "clip_norm": 0.5},
}
INDICES = {"arch_idx", "shape_idx", "n_heads_idx"}


def call(script: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Do what a message says, in the folder of the script."""
    program, *arguments = shlex.split(command)
    assert program in ("python", "recover-trials")
    module = ["-m", "recover_trials"] if program == "recover-trials" else []
    return subprocess.run(
        [sys.executable, "-I", *module, *arguments],
        cwd=script.parent,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def commands(refused: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the commands that a refusal names."""
    assert refused.returncode == 2
    return [line.strip() for line in refused.stderr.splitlines() if line.startswith("  ")]


def trials_in(script: Path, out: str) -> list[FrozenTrial]:
    """Return the trials that were started in the database of a folder."""
    storage = f"sqlite:///{script.parent}/{out}/study.db"
    trials = optuna.load_study(study_name=script.stem, storage=storage).trials
    return [trial for trial in trials if trial.state != TrialState.WAITING]


def log_of(script: Path, name: str = "") -> Study:
    """Return the study that a log alone tells."""
    (study,) = read_trials([script.parent / "logs" / f"{name or script.stem}.log"]).studies
    return study


def config_of(trial: FrozenTrial) -> dict[str, Any]:
    """Return the configuration of a trial as the script reads it, indices apart."""
    config = {**trial.user_attrs, **trial.params}
    return {name: value for name, value in config.items() if name not in INDICES}


def with_old_trials(folder: Path, sp500_file: Path, config: dict[str, Any]) -> Path:
    """Return a script that has searched in a folder."""
    shutil.copy(sp500_file, folder / "sp500.csv")
    script = render_to(folder, config)
    done = run(script)
    assert done.returncode == 0, done.stderr
    return script


class Moved:
    """A study whose trials went on in another space, as the refusal says."""

    def __init__(self, script: Path, config: dict[str, Any]) -> None:
        before = self.files(script)
        self.script = render_to(script.parent, config)
        self.refused = run(self.script)
        rebuild, search = commands(self.refused)
        self.rebuilt, self.again = call(script, rebuild), call(script, rebuild)
        self.copied = trials_in(script, NEW)
        self.searched = call(script, search)
        assert self.searched.returncode == 0, self.searched.stderr
        assert self.files(script) == before
        self.old, self.new = trials_in(script, f"outputs/{script.stem}"), trials_in(script, NEW)

    @staticmethod
    def files(script: Path) -> dict[str, bytes]:
        """Return the log and the files of the old study."""
        paths = [script.parent / "logs" / f"{script.stem}.log"]
        paths += (script.parent / "outputs" / script.stem).rglob("*")
        kept = (path for path in paths if path.is_file() and path.suffix != ".lock")
        return {f"{path}": path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def moved(sp500_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Moved:
    folder = tmp_path_factory.mktemp("moved")
    script = with_old_trials(folder, sp500_file, OLD_SPACE)
    return Moved(script, changed(OLD_SPACE, **CHANGES))


def test_another_space_is_refused_by_what_exactly_changed(moved: Moved) -> None:
    said = moved.refused.stderr
    assert said.startswith("error: study hpo_2K_h1 has another search space: ")
    for change in (
        "search_space.dropout.attributes.high was 0.3, is 0.15",
        'search_space.loss.attributes.choices was ["bce", "focal"], is ["weighted_bce", "bce"]',
        "fixed_params.weight_decay was 0.001, is null",
        "fixed_params.clip_norm was 1.0, is 0.5",
        "architectures.d_model=8 n_layers=2 n_heads=4 d_ff=32 was ",
    ):
        assert change in said
    assert "settings." not in said
    assert "_sha256" not in said
    assert commands(moved.refused) == [
        "recover-trials logs/hpo_2K_h1.log --to-storage sqlite:///outputs/hpo_2K_h1-2/study.db"
        " --space-of hpo_2K_h1.py",
        "python hpo_2K_h1.py --out outputs/hpo_2K_h1-2 --log logs/hpo_2K_h1-2.log",
    ]


def test_what_lies_outside_is_counted_by_its_parameters(moved: Moved) -> None:
    assert moved.rebuilt.stdout == "hpo_2K_h1: 7 trials written\n"
    assert moved.again.stdout == "hpo_2K_h1: 0 trials written; 7 there before\n"
    deep = sum(trial.user_attrs["n_layers"] == 2 for trial in moved.old)
    focal = sum(trial.params["loss"] == "focal" for trial in moved.old)
    wide = sum(trial.params["dropout"] > 0.15 for trial in moved.old)
    assert min(deep, focal, wide) > 0
    names = ("shape_idx", "n_heads_idx", "dropout", "loss")
    each = dict(zip(names, (deep, deep, wide, focal), strict=True))
    (said,) = [line for line in moved.rebuilt.stderr.splitlines() if "outside" in line]
    head, _, told = said.partition(" and keep their values as attributes: ")
    assert dict(item.split() for item in told.split(", ")) == {k: f"{n}" for k, n in each.items()}
    marked = [trial.user_attrs.get("outside_space") for trial in moved.copied]
    total = sum(names is not None for names in marked)
    assert head == f"hpo_2K_h1: {total} of 7 trials lie outside the space of hpo_2K_h1.py"


def test_old_trials_keep_number_value_and_configuration(moved: Moved) -> None:
    ids = [{trial.user_attrs.get("from_study") for trial in moved.new[n:]} for n in (0, 7)]
    assert ids == [{log_of(moved.script).key, None}, {None}]
    for old, new in zip(moved.old, moved.new, strict=False):
        assert (new.number, new.state, new.values) == (old.number, old.state, old.values)
        assert new.datetime_complete == old.datetime_complete
        assert new.intermediate_values == old.intermediate_values
        added = {"from_study", "outside_space"}
        assert {n: v for n, v in config_of(new).items() if n not in added} == config_of(old)


def test_a_value_inside_is_a_parameter_and_one_outside_an_attribute(moved: Moved) -> None:
    for trial in moved.new:
        assert trial.number >= 7 or trial.params["weight_decay"] == 0.001  # was fixed
        outside = trial.user_attrs.get("outside_space", [])
        assert set(outside).isdisjoint(trial.params)
        assert {*outside, *trial.params} == {*moved.new[-1].params}
        assert trial.params.get("dropout", 0.0) <= 0.15
        assert trial.params.get("loss") != "focal"


def test_an_index_never_names_another_architecture(moved: Moved) -> None:
    rows = load(moved.script)["ARCHITECTURES"]
    for trial in moved.new:
        known = trial.user_attrs
        if known["n_layers"] == 2:
            assert known["arch_idx"] is None
            assert not {"shape_idx", "n_heads_idx"} & {*known, *trial.params}
        else:
            row = rows[known["arch_idx"]]
            known = {**known, "params": known["param_count"]}
            assert {name: known[name] for name in row} == row


def test_old_trials_count_towards_the_total(moved: Moved) -> None:
    assert [trial.number for trial in moved.new] == [*range(12)]
    assert {trial.state for trial in moved.new} == {TrialState.COMPLETE}


def test_an_extreme_counts_if_its_ends_and_its_architecture_are_the_same(moved: Moved) -> None:
    script = load(moved.script)
    rows = script["ARCHITECTURES"]
    for arch_idx, ends in script["EXTREME_INDICES"].items():
        tried = [
            trial
            for trial in moved.new
            if trial.user_attrs.get("extreme") == ends
            and trial.user_attrs["param_count"] == rows[arch_idx]["params"]
            and trial.user_attrs["n_heads"] == rows[arch_idx]["n_heads"]
        ]
        assert len(tried) == 1


def test_the_new_log_alone_tells_the_same(moved: Moved) -> None:
    found = log_of(moved.script, "hpo_2K_h1-2")
    assert found.key != log_of(moved.script).key
    assert len(found.rows) == 12
    for ours, theirs in zip(found.rows, moved.new, strict=True):
        assert ours.flags == []
        for name in ("number", "params", "user_attrs", "intermediate_values", "datetime_start"):
            assert getattr(ours, name) == getattr(theirs, name), name


def test_the_files_show_old_trials_with_their_true_configuration(moved: Moved) -> None:
    out = moved.script.parent / NEW
    records = read_json(out / "all_trials.json")["trials"]
    rows = pd.read_csv(out / "trials.csv")
    best = read_json(out / "best_params.json")
    lead = moved.new[best["best_trial"]]
    assert {**best["best_user_attrs"], **best["best_params"]} == {
        **lead.user_attrs,
        **lead.params,
    }
    for old, record in zip(moved.old, records, strict=False):
        told = {**record["user_attrs"], **record["params"]}
        row = rows.iloc[old.number]
        for name in ("dropout", "loss", "learning_rate"):
            assert told[name] == old.params[name]
            inside = f"params_{name}"
            kept = row[inside if name in record["params"] else f"user_attrs_{name}"]
            assert kept == old.params[name]
            assert name in record["params"] or pd.isna(row[inside])


def test_parameters_are_still_drawn_together(moved: Moved) -> None:
    drawn = [trial.system_attrs for trial in moved.new[7:]]
    together = "".join(f"{v}" for v in drawn[-1].values())
    for name in ("dropout", "learning_rate", "loss", "n_heads_idx", "weight_decay"):
        assert f'"{name}": ' in together


@pytest.mark.thorough
def test_an_old_trial_is_trained_again_or_refused_with_the_reason(moved: Moved) -> None:
    seen = set()
    for trial in moved.old:
        file = f"{NEW}/trials/trial_{trial.number:04d}.json"
        done = run(moved.script, "--trial-from", file)
        if trial.params["loss"] == "focal":
            assert done.returncode == 2
            assert done.stderr == f"error: --trial-from {file}: there is no 'focal' here\n"
        else:
            assert done.returncode == 0, done.stderr
            assert done.stdout.endswith(f"value {trial.value!r}, the same\n")
        seen.add((trial.params["loss"], trial.user_attrs["n_layers"]))
    assert len(seen) >= 3


def cut(script: Path, number: int) -> None:
    """Cut the log within a trial."""
    log = script.parent / "logs" / f"{script.stem}.log"
    content = log.read_bytes()
    log.write_bytes(content[: content.index(b"Trial %d ended: " % number) - 28])


@pytest.mark.thorough
@pytest.mark.parametrize("possible", [True, False])
def test_a_trial_that_ran_is_trained_as_what_it_is_or_not_at_all(
    possible: bool, sp500_file: Path, tmp_path: Path
) -> None:
    config = changed(OLD_SPACE, study={"n_trials": 3})
    script = with_old_trials(tmp_path, sp500_file, config)
    cut(script, 2)
    old = trials_in(script, "outputs/hpo_2K_h1")[2]
    high = old.params["dropout"] + (0.001 if possible else -0.001)
    space = {"search": {"dropout": {"type": "float", "low": 0.0, "high": round(high, 6)}}}
    script = render_to(tmp_path, changed(config, study={"n_trials": 4}, **space))
    rebuild, search = commands(run(script))
    rebuilt = call(script, rebuild)
    assert rebuilt.stdout == "hpo_2K_h1: 3 trials written\n"
    assert ("trial 2 was running; it is ended as FAIL: dropout=" in rebuilt.stderr) is not possible
    assert call(script, search).returncode == 0
    trials = trials_in(script, NEW)
    assert len(trials) == 4
    if possible:
        assert (trials[2].params, trials[2].value) == (old.params, old.value)
        assert "from_study" not in trials[2].user_attrs
    else:
        known = trials[2].user_attrs
        assert trials[2].state == TrialState.FAIL
        assert (known["fail_reason"], known["dropout"]) == ("space", old.params["dropout"])
        assert known["learning_curve"] == old.user_attrs["learning_curve"]
        assert known["outside_space"] == ["dropout"]
    found = log_of(script, "hpo_2K_h1-2").rows
    assert [(t.params, t.user_attrs) for t in found] == [(t.params, t.user_attrs) for t in trials]


GAMMA = {"type": "float", "low": 1.0, "high": 3.0, "when": {"loss": ["focal"]}}


@pytest.mark.thorough
@pytest.mark.parametrize("change", [{"loss": ["bce", "soft_auc"]}, {"focal_gamma": GAMMA}])
def test_a_trial_that_ran_is_trained_where_other_losses_bring_other_parameters(
    change: dict[str, Any], sp500_file: Path, tmp_path: Path
) -> None:
    config = changed(OLD_SPACE, study={"n_trials": 3})
    script = with_old_trials(tmp_path, sp500_file, config)
    old = trials_in(script, "outputs/hpo_2K_h1")
    number = next(t.number for t in old if t.params["loss"] == "bce")
    cut(script, number)
    losses = change.get("loss", ["bce", "focal"])
    search = {**change, "loss": {"type": "categorical", "choices": losses}}
    script = render_to(tmp_path, changed(config, search=search))
    rebuild, search_on = commands(run(script))
    assert "all " in call(script, rebuild).stderr
    done = call(script, search_on)
    assert done.returncode == 0, done.stderr
    trial = trials_in(script, NEW)[number]
    assert trial.params == old[number].params
    assert trial.value == pytest.approx(old[number].value, abs=0.01)  # sums in another order
    assert "focal_gamma" not in trial.user_attrs
    assert call(script, search_on).returncode == 0


@pytest.mark.thorough
@pytest.mark.parametrize("change", [{"fixed": {"epochs": 2}}, {"architecture": {"skip": [0]}}])
def test_a_trial_that_ran_with_what_is_no_more_is_not_trained(
    change: dict[str, Any], sp500_file: Path, tmp_path: Path
) -> None:
    config = changed(OLD_SPACE, study={"n_trials": 1})
    script = with_old_trials(tmp_path, sp500_file, config)
    cut(script, 0)
    (old,) = trials_in(script, "outputs/hpo_2K_h1")
    if "architecture" in change:
        change = {"architecture": {"skip": [old.user_attrs["arch_idx"]]}}
    script = render_to(tmp_path, changed(config, **change))
    log, url = "logs/hpo_2K_h1.log", f"sqlite:///{NEW}/study.db"
    done = call(script, f"recover-trials {log} --to-storage {url} --space-of {script.name}")
    assert "trial 0 was running; it is ended as FAIL: " in done.stderr
    assert trials_in(script, NEW)[0].user_attrs["fail_reason"] == "space"


@pytest.mark.thorough
def test_what_stood_for_the_nearest_of_a_skipped_architecture_stands_for_it_no_more(
    sp500_file: Path, tmp_path: Path
) -> None:
    config = {**changed(OLD_SPACE, study={"n_trials": 16}), "sampler": {"type": "random"}}
    skipped = changed(config, architecture={"skip": [{"n_layers": 1}]})
    script = with_old_trials(tmp_path, sp500_file, skipped)
    space, old = load(script)["make_experiment"]().space, trials_in(script, "outputs/hpo_2K_h1")
    true = [space.encode(trial.user_attrs["arch_idx"]) for trial in old]
    moved = [n for n, row in enumerate(true) if not row.items() <= old[n].params.items()]
    assert len(moved) >= 2
    left = moved[-1]
    cut(script, left)
    script = render_to(tmp_path, config)
    refused = run(script)
    rows = load(script)["ARCHITECTURES"]
    skips = [arch_idx for arch_idx, row in enumerate(rows) if row["n_layers"] == 1]
    assert f"another search space: skip_indices was {skips}, is []. Undo that" in refused.stderr
    rebuild, search = commands(refused)
    assert call(script, rebuild).returncode == 0
    done = call(script, search)
    assert done.returncode == 0, done.stderr
    new = trials_in(script, NEW)
    for number in range(left + 1):
        assert true[number].items() <= new[number].params.items()
        assert new[number].value == old[number].value
    assert {trial.state for trial in new} == {TrialState.COMPLETE}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("sampler", "kept"),
    [
        ({"type": "tpe", "multivariate": False, "n_startup_trials": 2}, ""),
        (
            {"type": "tpe", "multivariate": True, "group": True, "n_startup_trials": 2},
            "tpe:relative_params",
        ),
        ({"type": "cmaes", "n_startup_trials": 1}, "cma:"),
        ({"type": "gp", "n_startup_trials": 2}, "gp:relative_params"),
        ({"type": "random"}, ""),
    ],
)
def test_every_sampler_goes_on_in_the_new_space(
    sampler: dict[str, Any], kept: str, sp500_file: Path, tmp_path: Path
) -> None:
    config = {**OLD_SPACE, "sampler": sampler}
    moved = Moved(with_old_trials(tmp_path, sp500_file, config), changed(config, **CHANGES))
    assert {trial.state for trial in moved.new} == {TrialState.COMPLETE}
    assert all(trial.params["dropout"] <= 0.15 for trial in moved.new[7:])
    names = [any(n.startswith(kept) for n in t.system_attrs) for t in moved.new]
    assert kept == "" or names == [*[False] * 7, *names[7:-1], True]


@pytest.mark.thorough
def test_an_incomparable_change_is_refused_without_a_way_on(
    sp500_file: Path, tmp_path: Path
) -> None:
    config = changed(OLD_SPACE, study={"n_trials": 1})
    with_old_trials(tmp_path, sp500_file, config)
    space = {"search": {"dropout": {"type": "float", "low": 0.0, "high": 0.2}}}
    script = render_to(tmp_path, changed(config, model={"context_length": 50}, **space))
    refused = run(script)
    assert commands(refused) == []
    assert "trials that would not compare with new ones" in refused.stderr
    assert "settings.context_length was 60, is 50" in refused.stderr
    assert "search_space.dropout.attributes.high was 0.3, is 0.2" in refused.stderr
    log, url = "logs/hpo_2K_h1.log", f"sqlite:///{NEW}/study.db"
    call(script, f"recover-trials {log} --to-storage {url} --space-of {script.name}")
    again = run(script, "--out", NEW, "--log", "logs/2.log")
    assert again.returncode == 2
    assert "would not compare with new ones" in again.stderr


@pytest.mark.thorough
def test_places_that_are_taken_are_not_named(sp500_file: Path, tmp_path: Path) -> None:
    config = changed(OLD_SPACE, study={"n_trials": 1})
    with_old_trials(tmp_path, sp500_file, config)
    (tmp_path / "outputs" / "hpo_2K_h1-2").mkdir()
    (tmp_path / "logs" / "hpo_2K_h1-3.log").touch()
    script = render_to(tmp_path, changed(config, fixed={"epochs": 2}))
    rebuild, search = commands(run(script, "--storage", "sqlite:///outputs/hpo_2K_h1/study.db"))
    url = "sqlite:///outputs/hpo_2K_h1-4/study.db"
    assert f" --to-storage {url} " in rebuild
    assert search.endswith(f" --log logs/hpo_2K_h1-4.log --storage {url}")


@pytest.mark.thorough
def test_a_script_that_was_edited_goes_on_and_says_so(sp500_file: Path, tmp_path: Path) -> None:
    config = changed(OLD_SPACE, study={"n_trials": 1})
    script = with_old_trials(tmp_path, sp500_file, config)
    log = tmp_path / "logs" / "hpo_2K_h1.log"
    assert run(script, "--n-trials", "2").returncode == 0
    assert " note: " not in log.read_text()
    edit(script, ("def make_optimizer(", "# edited\ndef make_optimizer("))
    done = run(script, "--n-trials", "3")
    assert done.returncode == 0
    (said,) = [line for line in done.stderr.splitlines() if "differs" in line]
    told = re.fullmatch(
        "warning: (the script differs from the one that began the study:"
        r" sha256 (\w{12}) then, (\w{12}) now)",
        said,
    )
    assert told is not None
    digests = [about["script_sha256"][:12] for about in log_of(script).runs.values()]
    assert digests == [told[2], told[2], told[3]]
    assert f'note: text="{told[1]}"' in log.read_text()
    shutil.rmtree(tmp_path / "outputs")
    call(script, f"recover-trials {log} --to-storage sqlite:///outputs/hpo_2K_h1/study.db")
    assert f"{told[1]}\n" in run(script, "--n-trials", "4").stderr


@pytest.mark.thorough
def test_another_device_or_torch_under_a_study_is_said(sp500_file: Path, tmp_path: Path) -> None:
    script = with_old_trials(tmp_path, sp500_file, changed(OLD_SPACE, study={"n_trials": 1}))
    edits = (
        ('"torch": torch.__version__}\n    return', '"torch": "0.1"}\n    return'),
        ('"device": device.type, "script', '"device": "cuda", "script'),
    )
    edit(script, *edits)
    done = run(script, "--n-trials", "2")
    assert done.returncode == 0
    said = [line for line in done.stderr.splitlines() if line.startswith("warning: begun")]
    assert [line.split(" with ")[1].split()[0] for line in said] == ["torch", "device"]
    assert "begun with device cpu, gone on with cuda: values may differ a little" in done.stderr
    assert "gone on with 0.1" in (tmp_path / "logs" / f"{script.stem}.log").read_text()


@pytest.mark.thorough
def test_a_fixed_value_of_a_parameter_that_is_not_searched_in_a_trial_is_an_attribute(
    sp500_file: Path, tmp_path: Path
) -> None:
    when = {"type": "float", "low": 0.8, "high": 0.95, "when": {"loss": ["focal"]}}
    config = changed(OLD_SPACE, study={"n_trials": 5}, search={"beta1": when})
    script = with_old_trials(tmp_path, sp500_file, config)
    trials = trials_in(script, "outputs/hpo_2K_h1")
    assert {"beta1" in trial.params for trial in trials} == {True, False}
    found = log_of(script).rows
    assert [(t.params, t.user_attrs) for t in found] == [(t.params, t.user_attrs) for t in trials]
