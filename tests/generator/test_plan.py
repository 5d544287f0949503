"""Plans: a matrix of scripts is written as a whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hpogen import __version__
from hpogen.cli import main
from hpogen.plans.overlay import merged
from hpogen.rendering.folder_lock import NAME

TWO = "budgets: [2M]\nhorizons: [1, 3]\n"
TWO_NAMES = ["hpo_2M_h1.py", "hpo_2M_h3.py"]


def hpogen(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def plan_in(folder: Path, text: str = TWO) -> Path:
    path = folder / "plan.yaml"
    path.write_text(text)
    return path


def render(folder: Path, text: str = TWO, *flags: str) -> Result:
    """Render a plan."""
    return hpogen("render", "--plan", plan_in(folder, text), *flags)


def outcome(done: Result) -> list[str]:
    """Return the lines on stderr that tell what became of the files."""
    described = re.compile(r"hpo_\S+\.py: \d+ architectures, \d+ shapes|warning: ")
    return [line for line in done.stderr.splitlines() if not described.match(line)]


def refused(folder: Path, text: str, *flags: str) -> list[str]:
    """Return the error of a plan, without its folder; nothing may be written."""
    path = plan_in(folder, text)
    before = contents(folder)
    done = hpogen("render", "--plan", path, *flags)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert contents(folder) == before
    return done.stderr.removeprefix("error: ").replace(f"{folder}/", "").splitlines()


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return all files of a folder and below."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def names(folder: Path) -> list[str]:
    """Return the scripts of a folder."""
    return sorted(path.name for path in folder.glob("*.py"))


def spec(path: Path) -> dict[str, Any]:
    """Return the specification in a script's header."""
    line = next(x for x in path.read_text().splitlines() if x.startswith("#:hpogen:"))
    found: dict[str, Any] = json.loads(line.split(":", 4)[4])
    return found


# What is rendered


def test_every_combination_is_one_script_as_a_single_render_gives_it(tmp_path: Path) -> None:
    done = render(tmp_path, "budgets: [2M, 20_000_000]\nhorizons: [1, 3]\nout: scripts/all\n")
    out = tmp_path / "scripts" / "all"
    expected = [f"hpo_{b}_h{h}.py" for b in ("2M", "20M") for h in (1, 3)]
    assert done.stdout.splitlines() == [str(out / name) for name in expected]
    assert outcome(done) == ["4 scripts: 4 new"]
    single = ["render", "--budget", "20M", "--horizon", "3", "--out", tmp_path]
    assert hpogen(*single).exit_code == 0
    assert (out / "hpo_20M_h3.py").read_bytes() == (tmp_path / "hpo_20M_h3.py").read_bytes()
    assert (out / "hpo_20M_h3.py").stat().st_mode & 0o111
    assert hpogen("check", *sorted(out.glob("*.py"))).exit_code == 0


def test_the_committed_plan_gives_the_committed_scripts() -> None:
    folder = Path(__file__).parents[2] / "experiments" / "phase6a"
    done = hpogen("render", "--plan", folder / "plan.yaml", "--dry-run")
    paths = [Path(line.split()[1]) for line in done.stdout.splitlines()]
    assert sorted(path.name for path in paths[:-1]) == names(folder)
    assert len(paths) == 13


def test_a_task_without_a_horizon_goes_without(tmp_path: Path) -> None:
    render(tmp_path, "budgets: [2M]\nhorizons: [1, 3]\ntasks: [direction, byte_lm]\n")
    assert names(tmp_path) == [
        "hpo_2M_byte_lm.py", "hpo_2M_h1_direction.py", "hpo_2M_h3_direction.py",
    ]  # fmt: skip
    (tmp_path / "text").mkdir()
    assert render(tmp_path / "text", "budgets: [2M]\ntasks: [byte_lm]\n").exit_code == 0


def test_task_and_horizon_may_be_those_of_the_configuration(tmp_path: Path) -> None:
    render(tmp_path, "budgets: [2M]\nconfig: {task: direction, horizon: 5}\n")
    assert names(tmp_path) == ["hpo_2M_h5_direction.py"]


def test_several_seeds_are_in_the_names_of_scripts_and_studies(tmp_path: Path) -> None:
    render(tmp_path, "budgets: [2M]\nhorizons: [1]\nseeds: [42, 43]\n")
    assert names(tmp_path) == ["hpo_2M_h1_s42.py", "hpo_2M_h1_s43.py"]
    for seed in (42, 43):
        found = spec(tmp_path / f"hpo_2M_h1_s{seed}.py")
        assert found["seed"] == seed
        assert found["name"] == found["study_name"] == f"hpo_2M_h1_s{seed}"
    assert hpogen("check", *tmp_path.glob("*.py")).exit_code == 0


def test_only_the_first_stage_is_rendered_and_the_others_are_part_of_the_plan(
    tmp_path: Path,
) -> None:
    stages = "stages: [{n_trials: 20}, {n_trials: 12, top: 5}, {kind: final, top: 2}]\n"
    done = render(tmp_path, "budgets: [2M]\nhorizons: [1]\nseeds: [1, 2]\n" + stages)
    assert done.exit_code == 0, done.stderr
    first = [f"hpo_2M_h1_s{seed}_S0" for seed in (1, 2)]
    assert names(tmp_path) == [f"{name}.py" for name in first]
    for name in first:
        found = spec(tmp_path / f"{name}.py")
        assert (found["name"], found["study_name"], found["n_trials"]) == (name, name, 20)
    assert hpogen("check", *tmp_path.glob("*.py")).exit_code == 0
    for line in (
        "hpo_2M_h1_s1_S1.py: 12 trials, after hpo_2M_h1_s1_S0.py; rendered by `hpogen run ",
        "final_hpo_2M_h1_s2_S1.py: 10 trainings, after hpo_2M_h1_s2_S1.py; rendered by `hpogen ",
    ):
        assert line in done.stderr
    (tmp_path / "hpo_2M_h1_s1_S1.py").write_bytes((tmp_path / f"{first[0]}.py").read_bytes())
    kept = hpogen("render", "--plan", tmp_path / "plan.yaml", "--prune", "--dry-run")
    assert "hpo_2M_h1_s1_S1.py: is not" not in kept.stderr
    assert "removed" not in kept.stdout


def test_one_seed_is_not_in_the_name(tmp_path: Path) -> None:
    render(tmp_path, "budgets: [2M]\nhorizons: [1]\nseeds: [7]\n")
    assert names(tmp_path) == ["hpo_2M_h1.py"]
    assert spec(tmp_path / "hpo_2M_h1.py")["seed"] == 7


def test_a_configuration_is_inside_or_a_path_from_the_plan(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("study: {n_trials: 7}\n")
    (tmp_path / "a").mkdir()
    for config in ("../base.yaml", "{study: {n_trials: 7}}"):
        done = render(tmp_path / "a", f"{TWO}config: {config}\n", "--force")
        assert done.exit_code == 0, done.stderr
        assert spec(tmp_path / "a" / "hpo_2M_h3.py")["n_trials"] == 7


def test_the_data_of_a_plan_are_read_for_every_script(tmp_path: Path, sp500: Path) -> None:
    done = render(tmp_path, f"{TWO}data: {sp500}\n")
    assert done.exit_code == 0, done.stderr
    found = [spec(tmp_path / name)["constants"] for name in TWO_NAMES]
    assert found[0] == found[1]
    assert found[0]["data_path"].endswith("sp500.csv")
    told = refused(tmp_path, f"{TWO}data: {tmp_path}/none.csv\n")
    assert told[0].startswith("plan.yaml:3:1: data: ")
    assert "none.csv" in told[0]
    assert told[-1].endswith("(hpo_2M_h1.py, hpo_2M_h3.py)")


def test_an_exception_changes_only_the_scripts_it_finds(tmp_path: Path) -> None:
    text = f"""{TWO}
config: {{study: {{n_trials: 7}}, fixed: {{batch_size: 64}}}}
exceptions:
  - match: {{budget: 2_000_000, horizon: 3}}
    config: {{study: {{seed: 9}}, fixed: {{epochs: 5}}, tolerance: 0.3}}
  - match: {{task: threshold_1pct, horizon: 3}}
    config: {{tolerance: 0.4}}
"""
    assert render(tmp_path, text).exit_code == 0
    one, three = (spec(tmp_path / name) for name in TWO_NAMES)
    assert (one["seed"], one["tolerance"], "epochs" in one["search"]) == (42, 0.25, True)
    assert (three["seed"], three["n_trials"], three["tolerance"]) == (9, 7, 0.4)
    assert (three["fixed"]["epochs"], three["fixed"]["batch_size"]) == (5, 64)
    assert "epochs" not in three["search"]


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": {"x": {"p": 1, "q": 1}}}, {"a": {"x": {"p": 2}}}, {"a": {"x": {"p": 2}}}),
        ({"a": 1}, {"a": 2, "b": {}}, {"a": 2, "b": {}}),
        ({"search": {"x": 1, "y": 1}}, {"fixed": {"x": 2}},
         {"search": {"y": 1}, "fixed": {"x": 2}}),
        ({"fixed": {"x": 1}}, {"search": {"x": 2}}, {"fixed": {}, "search": {"x": 2}}),
        ({"sampler": {"type": "tpe", "n": 1}}, {"sampler": {"type": "random"}},
         {"sampler": {"type": "random"}}),
        ({"sampler": {"type": "tpe", "n": 1}}, {"sampler": {"n": 2}},
         {"sampler": {"type": "tpe", "n": 2}}),
    ],
)  # fmt: skip
def test_sections_are_laid_over_each_other_one_level_deep(
    base: dict[str, Any], over: dict[str, Any], result: dict[str, Any]
) -> None:
    assert merged(base, over) == result


def test_what_is_excluded_is_not_rendered(tmp_path: Path) -> None:
    render(
        tmp_path, "budgets: [2M, 20M]\nhorizons: [1, 3]\nexclude: [{budget: 20M, horizon: 3}]\n"
    )
    assert names(tmp_path) == ["hpo_20M_h1.py", *TWO_NAMES]


# What is wrong with a plan


def test_all_errors_of_a_plan_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    text = """\
budgets: [2M, 3Q, 1e6]
horizons: [1, 0]
tasks: [nope]
seeds: [-1, yes]
sedes: 3
config:
  search: {dropout: {type: float, low: 0.3, high: 0.1}}
out: ../x
exceptions:
  - match: {}
    config: {fixed: {epochs: [x]}, budget: 2M, study: {seed: 1}}
  - match: {budgt: 2M}
"""
    told = refused(tmp_path, text)
    expected = [
        "plan.yaml:1:15: budgets.1: write a number",
        "plan.yaml:1:19: budgets.2: write a number",
        "plan.yaml:2:15: horizons.1: ",
        "plan.yaml:3:9: tasks.0: unknown task 'nope'",
        "plan.yaml:4:9: seeds.0: ",
        "plan.yaml:4:13: seeds.1: ",
        "plan.yaml:5:1: sedes: unknown key; did you mean seeds?",
        "plan.yaml:7:12: config.search.dropout: low 0.3 must be below high 0.1",
        "plan.yaml:8:1: out: write a relative path below",
        "plan.yaml:10:5: exceptions.0.match: write budget, horizon, task or seed",
        "plan.yaml:11:22: exceptions.0.config.fixed.epochs: ",
        "plan.yaml:11:36: exceptions.0.config.budget: an exception cannot change this",
        "plan.yaml:11:56: exceptions.0.config.study.seed: an exception cannot change this",
        "plan.yaml:12:5: exceptions.1.config: ",
        "plan.yaml:12:13: exceptions.1.match.budgt: unknown key; did you mean budget?",
    ]
    assert len(told) == len(expected), told
    for line, start in zip(told, expected, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "plan.yaml:1:1: budgets: is missing"),
        ("- 2M\n", "plan.yaml:1:1: file: write a mapping"),
        ("budgets: []\nhorizons: [1]\n", "plan.yaml:1:1: budgets: needs 1 or more items"),
        ("budgets: [2M, 2_000_000]\nhorizons: [1]\n", "plan.yaml:1:1: budgets: 2M occurs twice"),
        ("budgets: [2M]\nhorizons: [1, 1]\n", "plan.yaml:2:1: horizons: 1 occurs twice"),
        ("budgets: [2M]\n", "plan.yaml:1:1: horizons: task threshold_1pct needs a horizon"),
        ("budgets: [2M]\ntasks: [byte_lm]\nhorizons: [1]\n",
         "plan.yaml:3:1: horizons: task byte_lm has no horizon; leave horizons out"),
        (f"{TWO}exclude: [{{budget: 7M}}]\n", "plan.yaml:3:11: exclude.0: selects no script"),
        (f"{TWO}exclude: [{{seed: 42}}]\n", "plan.yaml:3:11: exclude.0: selects no script"),
        (f"{TWO}exclude: [{{budget: 2M}}]\n", "plan.yaml:3:1: exclude: excludes every script"),
        (f"{TWO}exclude: [{{horizon: 3}}]\n"
         "exceptions: [{match: {horizon: 3}, config: {}}]\n",
         "plan.yaml:4:15: exceptions.0.match: selects no script"),
        (f"{TWO}config: {{study: {{name: all}}}}\n",
         "plan.yaml:3:18: config.study.name: several scripts would share one study"),
        (f"{TWO}config: none.yaml\n", "none.yaml: No such file"),
        (f"{TWO}config: 3\n", "plan.yaml:3:1: config: write a configuration, or the path"),
        (f"{TWO}seeds: {list(range(501))}\n", "plan.yaml:1:1: budgets: the plan has 1,002"),
        (f"{TWO}stages: []\n", "plan.yaml:3:1: stages: needs 1 or more items"),
        (f"{TWO}stages: [{{}}]\n", "plan.yaml:3:10: stages.0.n_trials: is missing"),
        (f"{TWO}stages: [{{n_trials: 9, top: 3}}]\n",
         "plan.yaml:3:24: stages.0.top: the first stage refines no other"),
        (f"{TWO}stages: [{{n_trials: 9}}, {{n_trials: 5}}]\n",
         "plan.yaml:3:25: stages.1.top: the best 12 of 9 trials narrow nothing"),
        (f"{TWO}stages: [{{n_trials: 9}}, {{n_trials: 5, top: 1}}]\n",
         "plan.yaml:3:39: stages.1.top: a search needs the space of two trials"),
        (f"{TWO}stages: [{{n_trials: 9}}, {{kind: final, top: 10}}]\n",
         "plan.yaml:3:39: stages.1.top: the stage before has 9 trials only"),
        (f"{TWO}stages: [{{n_trials: 9, seeds: 3}}]\n",
         "plan.yaml:3:24: stages.0.seeds: only a final script has this key"),
        (f"{TWO}stages: [{{n_trials: 9}}, {{kind: final, pad: 0.1}}]\n",
         "plan.yaml:3:39: stages.1.pad: only a search has this key"),
        (f"{TWO}stages: [{{kind: final}}]\n",
         "plan.yaml:3:10: stages.0: a final script needs a search before it"),
        (f"{TWO}stages:\n  - n_trials: 9\n  - kind: final\n  - {{n_trials: 5, top: 3}}\n",
         "plan.yaml:5:5: stages.1: a final script is the last stage"),
        (f"{TWO}stages: [{{n_trials: 9}}]\n"
         "exceptions: [{match: {horizon: 3}, config: {study: {n_trials: 5}}}]\n",
         "plan.yaml:4:53: exceptions.0.config.study.n_trials: an exception cannot change"),
    ],
)  # fmt: skip
def test_a_plan_that_makes_no_sense_is_refused(text: str, message: str, tmp_path: Path) -> None:
    told = refused(tmp_path, text)
    assert told[0].startswith(message), told


@pytest.mark.parametrize(
    "out", ["..", "../x", "a/../../b", "/etc", "C:/x", "C:x", r"a\..\b", r"\\host\x", "a\x07b", ""]
)
def test_scripts_are_written_below_the_plan(out: str, tmp_path: Path) -> None:
    told = refused(tmp_path, f"{TWO}out: {json.dumps(out)}\n")
    assert told[0].startswith("plan.yaml:3:1: out: ")


def test_a_plan_with_one_bad_script_writes_nothing(tmp_path: Path) -> None:
    told = refused(tmp_path, "budgets: [2M, 3, 4]\nhorizons: [1, 3]\n")
    assert [line.partition(": budget ")[0] for line in told] == [
        "plan.yaml:1:15: budgets.1",
        "plan.yaml:1:18: budgets.2",
    ]
    assert told[0].endswith("(hpo_3_h1.py, hpo_3_h3.py)")


def test_an_error_is_told_once_for_all_scripts_that_have_it(tmp_path: Path) -> None:
    told = refused(tmp_path, f"{TWO}config: {{fixed: {{epochz: 1}}, options: {{input: x}}}}\n")
    assert len(told) == 2
    assert all(line.endswith("(hpo_2M_h1.py, hpo_2M_h3.py)") for line in told)
    assert all(line.startswith("plan.yaml:3:") for line in told)


def test_an_error_is_told_in_the_file_it_is_in(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("fixed:\n  epochs: 5\n")
    exception = "exceptions:\n  - match: {horizon: 3}\n    config:\n      fixed: {epochz: 1}\n"
    told = refused(tmp_path, f"{TWO}config: base.yaml\n{exception}")
    assert told[0].startswith("plan.yaml:7:15: fixed.epochz: unknown parameter")
    assert told[0].endswith("(hpo_2M_h3.py)")
    (tmp_path / "base.yaml").write_text("fixed:\n  epochy: 5\n")
    told = refused(tmp_path, f"{TWO}config: base.yaml\n{exception}")
    assert told[0].startswith("base.yaml:2:3: fixed.epochy: unknown parameter")
    assert told[0].endswith("(hpo_2M_h1.py, hpo_2M_h3.py)")
    (tmp_path / "base.yaml").write_text("fixxed: {}\n")
    told = refused(tmp_path, f"{TWO}config: base.yaml\nfoo: 1\n")
    assert [line.partition(" ")[0] for line in told] == ["plan.yaml:4:1:", "base.yaml:1:1:"]


@pytest.mark.parametrize(
    "text",
    [
        'budgets: [2M]\nhorizons: [1]\ntasks: ["../../x"]\n',
        'budgets: [2M]\nhorizons: [1]\ntasks: ["threshold_1pct\\n"]\n',
        'budgets: ["2M/../../x"]\nhorizons: [1]\n',
        'budgets: ["2M\\e[2J"]\nhorizons: [1]\n',
        f'{TWO}config: "a\\0b"\n',
        f'{TWO}config: "\\e[2J\\u202e"\n',
        f'{TWO}data: "a\\u202eb"\n',
        f'{TWO}"k\\e[2J": 1\n',
        f'{TWO}exceptions: [{{match: {{task: "\\e[2J"}}, config: {{}}}}]\n',
        f"{TWO}config: {{fixed: [1]}}\nexceptions: 3\nexclude: {{a: 1}}\n",
        f"{TWO}exceptions: [{{match: 1, config: 2}}, 3, null]\n",
        f"{TWO}config: &a {{x: *a}}\n",
    ],
)
def test_no_text_of_a_plan_reaches_a_path_or_the_terminal(text: str, tmp_path: Path) -> None:
    inner = tmp_path / "in" / "ner"
    inner.mkdir(parents=True)
    told = "\n".join(refused(inner, text))
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "Traceback" not in told
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "ner", "plan.yaml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--budget", "2M"], ["--horizon", "1"], ["--task", "direction"], ["--config", "x.yaml"],
        ["--data", "x.csv"], ["--stdout"], ["--n-trials", "3"], ["--seed", "0"], ["--out", "x"],
        ["--option", "loss=focal"],
    ],
)  # fmt: skip
def test_what_a_plan_says_is_not_said_beside_it(arguments: list[str], tmp_path: Path) -> None:
    told = refused(tmp_path, TWO, *arguments)
    assert told == [f"{arguments[0]} cannot be combined with --plan; set it in the plan"]


@pytest.mark.parametrize("flag", ["--dry-run", "--check", "--prune"])
def test_flags_of_plans_need_a_plan(flag: str, tmp_path: Path) -> None:
    done = hpogen("render", "--budget", "2M", "--horizon", "1", "--out", tmp_path, flag)
    assert done.exit_code == 2
    assert f"{flag} needs a plan" in done.stderr
    assert not list(tmp_path.iterdir())


# What becomes of the files


def touched(path: Path) -> tuple[int, int, int]:
    """Return what any change of a file changes, and no look at it."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def test_unchanged_scripts_are_not_touched(tmp_path: Path) -> None:
    render(tmp_path)
    before = {p: touched(p) for p in tmp_path.iterdir() if p.name != "plan.yaml"}
    done = render(tmp_path)
    assert outcome(done) == ["2 scripts: 2 unchanged"]
    assert done.stdout.splitlines() == [str(tmp_path / name) for name in TWO_NAMES]
    assert {path: touched(path) for path in before} == before


def test_own_scripts_follow_the_plan_and_others_stay(tmp_path: Path) -> None:
    render(tmp_path)
    (tmp_path / "mine.py").write_text("mine")
    text = f"{TWO}exceptions: [{{match: {{horizon: 3}}, config: {{fixed: {{epochs: 5}}}}}}]\n"
    assert outcome(render(tmp_path, text)) == ["2 scripts: 1 changed, 1 unchanged"]
    assert spec(tmp_path / TWO_NAMES[1])["fixed"]["epochs"] == 5
    assert (tmp_path / "mine.py").read_text() == "mine"


def spoil(folder: Path) -> str:
    """Make every script of a plan one that may not be overwritten; return the plan."""
    text = "budgets: [2M, 20M, 200M]\nhorizons: [1, 3]\n"
    render(folder, text)
    edited, foreign, link, read_only, stale, gone = (
        folder / f"hpo_{b}_h{h}.py" for b in ("2M", "20M", "200M") for h in (1, 3)
    )
    edited.write_text(f"{edited.read_text()}# mine\n")
    foreign.write_bytes(b"\xff mine")
    link.rename(folder / "elsewhere")
    link.symlink_to("elsewhere")
    read_only.chmod(0o444)
    stale.write_text(stale.read_text().replace("SEED = 42", "SEED = 41"))
    gone.unlink()
    return f"{text}config: {{study: {{seed: 7}}}}\n"


def test_scripts_that_are_not_as_written_are_all_told_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    told = refused(tmp_path, spoil(tmp_path))
    assert told[0] == "nothing was written; --force overwrites these files:"
    assert [line.strip()[:28] for line in told[1:]] == [
        "hpo_2M_h1.py was edited or r",
        "hpo_2M_h3.py is not a script",
        "hpo_20M_h1.py is a symbolic ",
        "hpo_20M_h3.py is read-only; ",
        "hpo_200M_h1.py was edited or",
    ]


def test_force_overwrites_them_and_no_link_is_written_through(tmp_path: Path) -> None:
    text = spoil(tmp_path)
    elsewhere = (tmp_path / "elsewhere").read_bytes()
    done = render(tmp_path, text, "--force")
    assert outcome(done) == ["6 scripts: 1 new, 5 changed"]
    assert (tmp_path / "elsewhere").read_bytes() == elsewhere
    assert not (tmp_path / "hpo_20M_h1.py").is_symlink()
    assert render(tmp_path, text, "--check").exit_code == 0


def test_a_folder_in_the_place_of_a_script_is_refused_even_if_forced(tmp_path: Path) -> None:
    (tmp_path / "hpo_2M_h3.py").mkdir()
    assert refused(tmp_path, TWO, "--force") == [
        "hpo_2M_h3.py is a folder; remove it or choose another name"
    ]


@pytest.mark.parametrize("header", ["{}", "[]", "3", "{", '{"name":"x"}', "[" * 100_000])
def test_a_header_that_cannot_be_read_is_foreign(header: str, tmp_path: Path) -> None:
    (tmp_path / "hpo_2M_h3.py").write_text(f"#:hpogen:0.1.0:x:{header}\n")
    assert refused(tmp_path, TWO) == [
        "hpo_2M_h3.py is not a script of this version of hpogen. --force overwrites it"
    ]


def test_scripts_that_left_the_plan_are_told_and_pruned_on_demand(tmp_path: Path) -> None:
    render(tmp_path)
    (tmp_path / "hpo_2M_h9.py").write_text("mine")  # no header
    (tmp_path / "hpo_0M_h1.py").write_text("mine")
    fewer = "budgets: [2M]\nhorizons: [1]\n"
    done = render(tmp_path, fewer)
    assert done.exit_code == 0
    assert outcome(done) == [
        f"{tmp_path}/hpo_2M_h3.py is not in the plan; --prune removes it",
        "1 script: 1 unchanged",
    ]
    done = render(tmp_path, fewer, "--prune")
    assert outcome(done) == ["1 script: 1 unchanged, 1 removed"]
    assert names(tmp_path) == ["hpo_0M_h1.py", "hpo_2M_h1.py", "hpo_2M_h9.py"]


def test_an_edited_script_is_pruned_only_if_forced(tmp_path: Path) -> None:
    render(tmp_path)
    path = tmp_path / "hpo_2M_h3.py"
    path.write_text(f"{path.read_text()}# mine\n")
    fewer = "budgets: [2M, 20M]\nhorizons: [1]\n"
    assert "hpo_2M_h3.py was edited" in refused(tmp_path, fewer, "--prune")[0]
    assert render(tmp_path, fewer, "--prune", "--force").exit_code == 0
    assert names(tmp_path) == ["hpo_20M_h1.py", "hpo_2M_h1.py"]


@pytest.mark.parametrize("flag", ["--dry-run", "--check"])
def test_a_dry_run_tells_what_would_happen_and_writes_nothing(flag: str, tmp_path: Path) -> None:
    text = f"{spoil(tmp_path)}exclude: [{{budget: 20M}}]\n".replace("[1, 3]", "[1, 3, 5]")
    plan_in(tmp_path, text)
    (tmp_path / NAME).unlink()
    before = contents(tmp_path)
    done = hpogen("render", "--plan", tmp_path / "plan.yaml", "--prune", flag)
    assert contents(tmp_path) == before
    assert done.exit_code == (1 if flag == "--check" else 0)
    rows = [line.split()[:2] for line in done.stdout.replace(f"{tmp_path}/", "").splitlines()]
    assert rows == [
        ["refused", "hpo_2M_h1.py"],
        ["refused", "hpo_2M_h3.py"],
        ["new", "hpo_2M_h5.py"],
        ["refused", "hpo_200M_h1.py"],
        ["new", "hpo_200M_h3.py"],
        ["new", "hpo_200M_h5.py"],
        ["refused", "hpo_20M_h1.py"],
        ["refused", "hpo_20M_h3.py"],
        ["changed", "manifest.json"],
    ]
    assert len({line.index(str(tmp_path)) for line in done.stdout.splitlines()}) == 1
    assert outcome(done) == ["6 scripts: 3 new, 5 refused"]


def test_a_dry_run_makes_no_folder(tmp_path: Path) -> None:
    done = render(tmp_path, f"{TWO}out: new\n", "--dry-run")
    assert outcome(done) == ["2 scripts: 2 new"]
    assert [path.name for path in tmp_path.iterdir()] == ["plan.yaml"]


def test_check_finds_a_stale_script_and_a_stale_manifest(tmp_path: Path) -> None:
    render(tmp_path)
    assert render(tmp_path, TWO, "--check").exit_code == 0
    assert render(tmp_path, f"{TWO}# a comment\n", "--check").exit_code == 1  # the plan's digest
    (tmp_path / TWO_NAMES[0]).unlink()
    assert render(tmp_path, TWO, "--check").exit_code == 1


# The manifest


def test_the_manifest_says_what_was_written(tmp_path: Path) -> None:
    render(tmp_path, "budgets: [2M]\nhorizons: [3]\ntasks: [direction, byte_lm]\nseeds: [1, 2]\n")
    found = json.loads((tmp_path / "manifest.json").read_text())
    plan = (tmp_path / "plan.yaml").read_bytes()
    assert found["hpogen"] == __version__
    assert found["plan"] == {"name": "plan.yaml", "sha256": hashlib.sha256(plan).hexdigest()}
    assert sorted(row["name"] for row in found["scripts"]) == names(tmp_path)
    first, last = found["scripts"][0], found["scripts"][-1]
    script = tmp_path / "hpo_2M_h3_direction_s1.py"
    assert first == {
        "name": script.name,
        "budget": 2_000_000,
        "horizon": 3,
        "task": "direction",
        "seed": 1,
        "n_architectures": script.read_text().count('    {"d_model": '),
        "spec_sha256": script.read_text().split("#:hpogen:")[1].split(":")[1],
        "sha256": hashlib.sha256(script.read_bytes()).hexdigest(),
    }
    assert (last["name"], last["horizon"], last["seed"]) == ("hpo_2M_byte_lm_s2.py", None, 2)


def test_the_same_plan_elsewhere_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        render(tmp_path / name)
    a, b = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert a == b


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "was not written by hpogen"),
        ("[1]", "was not written by hpogen"),
        ('{"hpogen": 1, "plan": 2, "scripts": 3}', "was not written by hpogen"),
        ("[" * 100_000, "was not written by hpogen"),
        ('{"hpogen": "0", "plan": {"name": "other.yaml"}, "scripts": []}',
         "is the manifest of another plan, other.yaml; write another folder as out"),
    ],
)  # fmt: skip
def test_a_manifest_of_something_else_is_not_overwritten(
    content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_text(content)
    assert refused(tmp_path, TWO) == [f"manifest.json {message}. --force overwrites it"]
    assert render(tmp_path, TWO, "--force").exit_code == 0


def test_a_plan_is_not_written_over_by_its_own_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(TWO)
    done = hpogen("render", "--plan", tmp_path / "manifest.json", "--force")
    assert done.exit_code == 2
    assert "manifest.json: the plan would overwrite itself; rename the plan" in done.stderr
    assert contents(tmp_path) == {"manifest.json": TWO.encode()}


# Others at work


def test_nothing_is_written_while_a_queue_runs(tmp_path: Path) -> None:
    render(tmp_path)
    (tmp_path / "mine").write_text("")
    with subprocess.Popen(
        ["flock", "-s", NAME, "sh", "-c", "echo held; read end"],
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as queue:  # fmt: skip
        assert queue.stdout
        assert queue.stdin
        assert queue.stdout.readline() == "held\n"
        assert render(tmp_path).exit_code == 0  # unchanged: nothing to wait for
        told = refused(tmp_path, f"{TWO}config: {{study: {{seed: 7}}}}\n")
        assert f"in use: another process holds the lock {NAME}" in told[0]
        single = ["render", "--budget", "20M", "--horizon", "1", "--out", tmp_path]
        assert "in use" in hpogen(*single).stderr
        assert names(tmp_path) == TWO_NAMES
        queue.stdin.close()
    assert hpogen(*single).exit_code == 0


def test_an_edit_between_the_look_and_the_lock_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    from hpogen.rendering import overwrite_check

    render(tmp_path)
    real = overwrite_check.folder_lock

    def late(folder: Path) -> Any:
        with (folder / TWO_NAMES[1]).open("a") as file:
            file.write("# mine\n")
        return real(folder)

    monkeypatch.setattr(overwrite_check, "folder_lock", late)
    done = render(tmp_path, f"{TWO}config: {{study: {{seed: 7}}}}\n")
    assert done.exit_code == 2
    assert "was edited" in done.stderr
    assert spec(tmp_path / TWO_NAMES[0])["seed"] == 42
    assert (tmp_path / TWO_NAMES[1]).read_text().endswith("# mine\n")


KILLED = """\
import os, pathlib, sys
from hpogen.cli import main
left = int(sys.argv[1])
def count(real):
    def call(*arguments, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return real(*arguments, **named)
    return call
os.fsync = count(os.fsync)
pathlib.Path.replace = count(pathlib.Path.replace)
main(["render", "--plan", sys.argv[2]])
"""


@pytest.mark.parametrize("steps", range(9))
def test_a_render_that_was_killed_leaves_whole_files_and_is_completed(
    steps: int, tmp_path: Path
) -> None:
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
        render(tmp_path / name)
        plan_in(tmp_path / name, f"{TWO}config: {{study: {{seed: 7}}}}\n")
    old = contents(tmp_path / "whole")
    hpogen("render", "--plan", tmp_path / "whole" / "plan.yaml")
    new = contents(tmp_path / "whole")
    path = tmp_path / "killed" / "plan.yaml"
    done = subprocess.run([sys.executable, "-c", KILLED, str(steps), str(path)], check=False)
    assert done.returncode == (-9 if steps < 9 else 0)
    left = contents(path.parent)
    for name in (*TWO_NAMES, "manifest.json"):
        assert left[name] in (old[name], new[name])
    assert left["manifest.json"] == old["manifest.json"] or steps == 8
    assert hpogen("render", "--plan", path).exit_code == 0
    assert contents(path.parent) | {NAME: b""} == new


def test_two_renders_of_a_plan_at_once_end_with_the_whole_plan(tmp_path: Path) -> None:
    path = plan_in(tmp_path, "budgets: [2M, 20M]\nhorizons: [1, 3, 5]\n")
    command = [sys.executable, "-m", "hpogen", "render", "--plan", str(path)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate()[1] for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes
    for code, error in zip(codes, told, strict=True):
        assert code == 0 or "in use" in error
    assert hpogen("render", "--plan", path, "--check").exit_code == 0
    assert not list(tmp_path.glob(".hpo_*"))


def test_a_single_render_refuses_links_and_read_only_files(tmp_path: Path) -> None:
    command = ["render", "--budget", "2M", "--horizon", "1", "--out", tmp_path]
    (tmp_path / "real").write_text("mine")
    (tmp_path / "hpo_2M_h1.py").symlink_to("real")
    assert "is a symbolic link to real" in hpogen(*command).stderr
    assert hpogen(*command, "--force").exit_code == 0
    assert (tmp_path / "real").read_text() == "mine"
    os.chmod(tmp_path / "hpo_2M_h1.py", 0o444)  # noqa: PTH101
    assert hpogen(*command).exit_code == 0  # unchanged
    assert "is read-only" in hpogen(*command, "--seed", "7").stderr
