"""Rendering of final scripts: where the configurations come from, and what is refused."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

import pytest

from finals import STUDY, command, make_final, make_study
from hpogen.final.command import final_spec
from hpogen.final.final_spec import render_final
from scripts import changed, edit, load, log_of, render_to, run, study_of

pytestmark = pytest.mark.study
HOSTILE = 'pri\'ces "{{ x }}" # \u00fc.csv'


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, sp500_file: Path) -> Path:
    """Return the script of a finished study, in which a comment and a constant were edited."""
    folder = tmp_path_factory.mktemp("render final")
    shutil.copy(sp500_file, folder / HOSTILE)
    script = render_to(folder, changed(STUDY, data={"data_path": HOSTILE}))
    edit(
        script,
        ("Return everything that later batches depend on", "A comment of the user"),
        ("\nCONTEXT_LENGTH = 60", "\nCONTEXT_LENGTH = 50"),
        ('"epochs": 2,', '"epochs": 3,'),
    )
    assert run(script).returncode == 0
    return script


def final_of(script: Path, results: str, *options: str) -> tuple[str, str]:
    """Return the final script and the messages of a render."""
    path = script.parent / results
    done = command("render", "--kind", "final", "--from", path, "--stdout", *options)
    return done.stdout, done.stderr


def test_a_final_script_has_the_constants_that_the_study_had(finished: Path) -> None:
    text, messages = final_of(finished, f"logs/{finished.stem}.log")
    assert "\nCONTEXT_LENGTH = 50 " in text
    assert '"epochs": 3,' in text
    (line,) = (line for line in text.splitlines() if line.startswith("DATA_PATH = "))
    assert ast.literal_eval(line.split(" = ")[1].split("  #")[0]) == HOSTILE
    assert "context_length, epochs: as in the study, not as in the script" in messages


@pytest.mark.parametrize(("horizon", "length"), [(1, 20), (60, 60)])
def test_a_block_of_the_bootstrap_is_not_shorter_than_the_horizon(
    horizon: int, length: int, finished: Path
) -> None:
    spec, _ = final_spec(log_of(finished), top=1, n_seeds=1, script=finished)
    search = spec.search.model_copy(update={"horizon": horizon})
    text = render_final(spec.model_copy(update={"search": search}))
    assert f"\nBLOCK_LENGTH = {length}  #" in text


@pytest.mark.parametrize("results", ["trials.csv", "best_params.json"])
def test_result_files_need_the_script_and_say_so(finished: Path, results: str) -> None:
    text, messages = final_of(finished, f"outputs/{finished.stem}/{results}")
    best = study_of(finished).best("minimize")
    assert best is not None
    assert f'"trial": {best.number}, "value": {best.value}' in text
    assert "these results record neither data nor constants" in messages


def test_the_best_configurations_come_first(finished: Path) -> None:
    script = make_final(finished, "--top", "5", "--seeds", "3", "--force")
    names = load(script)
    values = [config["value"] for config in names["CONFIGURATIONS"]]
    assert values == sorted(trial.value for trial in study_of(finished).trials.values())
    assert names["SEEDS"] == [43, 44, 45]


def test_check_knows_final_scripts(finished: Path) -> None:
    script = make_final(finished, "--force")
    assert command("check", script).exit_code == 0
    edit(script, ("SEEDS = [43, 44, ", "SEEDS = [42, 44, "))
    done = command("check", script)
    assert done.exit_code == 1
    assert "# SEEDS[0] is 42, rendered 43" in done.output
    refused = command("render", "--kind", "final", "--from",
                      finished.parent / "logs" / f"{finished.stem}.log",
                      "--out", finished.parent)  # fmt: skip
    assert refused.exit_code == 2
    assert "was edited" in refused.output


def test_a_study_of_edited_code_has_no_final_script(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished.parent, tmp_path / "copy")
    script = tmp_path / "copy" / finished.name
    edit(script, ("self.dropout = nn.Dropout(dropout)\n        self.blocks",
                  "self.dropout = nn.Dropout(0.5)\n        self.blocks"))  # fmt: skip
    assert run(script, "--log", "edited.log", "--n-trials", "1").returncode == 0
    _, messages = final_of(script, "edited.log", "--script", str(script))
    assert "the study ran another experiment" in messages
    assert "its code is another" in messages


def test_a_hostile_result_file_is_refused_or_written_as_text(
    finished: Path, tmp_path: Path
) -> None:
    hostile = 'nan"]\nimport os  # \u202e'
    folder = tmp_path / "outputs" / finished.stem
    folder.mkdir(parents=True)
    found = json.loads(
        (finished.parent / "outputs" / finished.stem / "best_params.json").read_text()
    )
    found["name"] = found["best_user_attrs"]["config_id"] = hostile
    path = folder / "best_params.json"
    path.write_text(json.dumps(found))
    done = command("render", "--kind", "final", "--from", path, "--script", finished, "--stdout")
    assert done.exit_code == 0, done.output
    assert "import os  #" not in done.stdout
    found["best_params"]["learning_rate"] = hostile
    path.write_text(json.dumps(found))
    done = command("render", "--kind", "final", "--from", path, "--script", finished, "--stdout")
    assert done.exit_code == 2
    assert "learning_rate is" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "study.log"], "--from needs --kind final"),
        (["--seeds", "3"], "--seeds needs --kind final"),
        (["--kind", "final"], "add --from logs/NAME.log"),
        (["--kind", "final", "--from", "a.log", "--budget", "2M"], "--budget cannot be combined"),
        (["--kind", "final", "--from", "a.log", "--with", "guards"], "--with cannot be combined"),
        (["--kind", "final", "--from", "missing.log"], "No such file or directory"),
        (["--kind", "final", "--from", "text.log"], "holds no study"),
    ],
)
def test_wrong_usage_is_refused(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.log").write_text("nothing of a study\n")
    done = command("render", *words)
    assert done.exit_code == 2
    assert message in done.stderr


def test_without_its_script_a_log_has_no_final_script(finished: Path, tmp_path: Path) -> None:
    log = shutil.copy(finished.parent / "logs" / f"{finished.stem}.log", tmp_path / "study.log")
    done = command("render", "--kind", "final", "--from", log, "--stdout")
    assert done.exit_code == 2
    assert f"there is no {finished.stem}.py here: add --script FILE" in done.stderr


def test_a_smoke_test_has_no_final_script(finished: Path) -> None:
    assert run(finished, "--smoke").returncode == 0
    _, messages = final_of(finished, f"logs/{finished.stem}-smoke.log")
    assert "a smoke test chooses no configuration" in messages


def test_a_search_script_holds_no_reader_of_the_test_split(finished: Path) -> None:
    assert not {"open_test", "FinalTask", "test_scores"} & load(finished).keys()
    assert "open_test" not in finished.read_text()


def test_a_text_study_ends_in_a_verdict_beside_an_n_gram(tmp_path: Path, text: Path) -> None:
    from scripts import TEXT, result_of

    script = make_final(make_study(tmp_path, TEXT), "--seeds", "2")
    found = result_of(run(script))
    assert found["verdict"].startswith("loses to ")
    assert {gain["baseline"][1:] for gain in found["comparisons"]} == {"-gram", "lib", "z"}
