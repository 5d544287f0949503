"""A lost database comes back on every supported version of Optuna, and from one to the next."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import optuna
import pandas as pd
import pytest

from lost_studies import CONFIG, DONE, call, recover, table, without_outputs
from recover_trials import read_trials
from scripts import changed, render_to

pytestmark = [pytest.mark.versions, pytest.mark.thorough, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
OLDER = "4.9.0"


@pytest.fixture(scope="module")
def older(request: pytest.FixtureRequest) -> str:
    """Return a Python that has an older Optuna, and everything else from this one."""
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir(f"optuna-{OLDER}")
    python = folder / "bin" / "python"
    if not list(folder.glob(f"lib/*/site-packages/optuna-{OLDER}.dist-info")):
        venv.create(folder, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "--no-deps", f"optuna=={OLDER}"]
        if subprocess.run(install, check=False).returncode:
            pytest.skip(f"optuna=={OLDER} cannot be installed here")
    (packages,) = folder.glob("lib/*/site-packages")
    others = [path for path in sys.path if path.endswith("-packages")]
    own = [str(ROOT / name) for name in ("generator", "templates", "recover")]
    (packages / "shared.pth").write_text("\n".join([*own, *others]))
    return str(python)


def version(python: str, folder: Path) -> str:
    """Return the version of Optuna that a Python imports."""
    code = "import optuna; print(optuna.__version__)"
    return call(folder / "x", "-c", code, python=python).strip()


@pytest.fixture(scope="module")
def whole(
    older: str, sp500_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, pd.DataFrame]:
    """Return a script that ran through with the older Optuna, and its table."""
    folder = tmp_path_factory.mktemp("older")
    shutil.copy(sp500_file, folder / "sp500.csv")
    assert version(older, folder) == OLDER != optuna.__version__
    script = render_to(folder, CONFIG)
    call(script, script.name, python=older)
    return script, table(script)


@pytest.fixture(scope="module")
def half(
    whole: tuple[Path, pd.DataFrame], older: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a copy of the script that ran some of its trials with the older Optuna."""
    folder = tmp_path_factory.mktemp("half")
    for name in (whole[0].name, "sp500.csv"):
        shutil.copy(whole[0].parent / name, folder)
    script = folder / whole[0].name
    call(script, script.name, "--n-trials", str(DONE), python=older)
    return script


def test_a_study_goes_on_from_its_log_with_an_older_optuna(
    whole: tuple[Path, pd.DataFrame], half: Path, older: str, tmp_path: Path
) -> None:
    script = without_outputs(half, tmp_path)
    log = tmp_path / "logs" / f"{script.stem}.log"
    content = log.read_bytes()
    for kept in (content, content[: content.rindex(b"Trial 4 epoch 1") + 30]):
        shutil.rmtree(tmp_path / "outputs", ignore_errors=True)
        log.write_bytes(kept)
        assert recover(script, python=older) == f"hpo_9K_h1: {DONE} trials written\n"
        call(script, script.name, python=older)
        pd.testing.assert_frame_equal(table(script), whole[1])


def test_a_log_of_an_older_optuna_is_as_good_as_its_database_to_a_newer_one(
    half: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept" / half.name
    shutil.copytree(half.parent, kept.parent)
    lost = without_outputs(half, tmp_path / "lost")
    assert recover(lost) == f"hpo_9K_h1: {DONE} trials written\n"
    for script in (kept, lost):
        call(script, script.name)
    pd.testing.assert_frame_equal(table(lost), table(kept))


@pytest.mark.parametrize(("multivariate", "group"), [(True, True), (True, False), (False, False)])
def test_trials_of_another_space_go_on_with_either_version(
    multivariate: bool, group: bool, half: Path, older: str, tmp_path: Path
) -> None:
    space = {
        "loss": {"type": "categorical", "choices": ["focal", "weighted_bce", "bce"]},
        "dropout": {"type": "float", "low": 0.0, "high": 0.15},
    }
    sampler = {"multivariate": multivariate, "group": group}
    for python in (older, sys.executable):
        folder = tmp_path / Path(python).parts[-3]
        lost = without_outputs(half, folder)
        script = render_to(folder, changed(CONFIG, search=space, sampler=sampler))
        log, new = f"logs/{lost.stem}.log", f"outputs/{lost.stem}"
        url = f"sqlite:///{new}/study.db"
        rebuild = ["-m", "recover_trials", log, "--to-storage", url, "--space-of", script.name]
        assert call(script, *rebuild, python=python) == f"hpo_9K_h1: {DONE} trials written\n"
        call(script, script.name, "--log", "logs/new.log", python=python)
        (study,) = read_trials([folder / "logs" / "new.log"]).studies
        assert [trial.number for trial in study.rows] == [*range(9)]
        assert {trial.state for trial in study.rows} <= {"COMPLETE", "PRUNED"}
        found = table(script)
        assert found["params_dropout"].dropna().max() <= 0.15
        told = [{**t.user_attrs, **t.params}["dropout"] for t in study.rows]
        stored = found["params_dropout"].fillna(found["user_attrs_dropout"])
        assert told == stored.to_list()
        assert found["user_attrs_dropout"].notna().any()
