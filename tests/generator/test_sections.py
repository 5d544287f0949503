"""Sections: a part is in a script or it is not, by the command line or the configuration."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from hpogen.cli import main
from hpogen.rendering.render import MARK, read_mark, render
from hpogen.rendering.sections import SCRIPT_SECTIONS
from scripts import MARKET, TEXT, changed, spec_of

NAMES = [name for name in SCRIPT_SECTIONS if name != "fsdp"]  # storage excludes it
SUBSETS = [[*some] for n in range(len(NAMES) + 1) for some in itertools.combinations(NAMES, n)]
SUBSETS += [[*names, "fsdp"] for names in SUBSETS if "storage" not in names]


def hpogen(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def rendered(folder: Path, *arguments: str, **config: Any) -> str:
    """Return the script of a configuration and a command line."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(changed(MARKET, **config)))
    done = hpogen("render", "--config", path, "--stdout", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def sections_of(script: str) -> list[str]:
    """Return the sections that a script's header line names."""
    found = read_mark(script)
    assert found is not None
    sections: list[str] = found["sections"]
    return sections


@pytest.mark.parametrize("base", [MARKET, TEXT], ids=["market", "language"])
@pytest.mark.parametrize("names", SUBSETS, ids=" ".join)
def test_a_script_has_the_sections_it_was_asked_for_and_nothing_of_others(
    names: list[str], base: dict[str, Any], tmp_path: Path
) -> None:
    script = render(spec_of(tmp_path, changed(base, sections=names)))
    compile(script, "script", "exec")
    body = "".join(line for line in script.splitlines(True) if not line.startswith(MARK))
    for name, section in SCRIPT_SECTIONS.items():
        expected = name in names
        assert all((added in body) == expected for added in section.adds())
        for constant, _, _ in section.constants:
            assert (f"\n{constant} = " in body) == expected
    assert sections_of(script) == names


def test_the_command_line_says_the_same_as_a_configuration(tmp_path: Path) -> None:
    said = rendered(tmp_path, *(word for name in NAMES for word in ("--with", name)))
    assert said == rendered(tmp_path, sections=NAMES)
    assert said == rendered(tmp_path, sections=[*reversed(NAMES), *NAMES])
    assert said != rendered(tmp_path)


def test_the_command_line_adds_to_the_configuration_and_takes_from_it(tmp_path: Path) -> None:
    first, *rest = NAMES
    found = rendered(tmp_path, "--with", first, sections=rest)
    assert sections_of(found) == NAMES
    found = rendered(tmp_path, "--without", first, sections=NAMES)
    assert sections_of(found) == rest
    assert rendered(tmp_path, "--without", first) == rendered(tmp_path)


@pytest.mark.parametrize("option", ["--with", "--without"])
def test_an_unknown_section_is_a_usage_error_that_names_all(option: str) -> None:
    done = hpogen("render", "--budget", "2M", "--horizon", "1", option, "multi-host")
    assert done.exit_code == 2
    assert all(name in done.stderr for name in NAMES)


def test_a_section_that_is_wanted_and_not_wanted_is_a_usage_error() -> None:
    name = NAMES[0]
    done = hpogen("render", "--budget", "2M", "--horizon", "1", "--with", name, "--without", name)
    assert done.exit_code == 2
    assert done.stderr == f"error: section {name} is in both --with and --without; leave one out\n"


def test_a_wrong_section_of_a_file_is_reported_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("budget: 2M\nhorizon: 1\nsections:\n  - guards\n  - gards\n")
    done = hpogen("render", "--config", path, "--with", "guards")
    assert done.exit_code == 2
    message = f"error: {path}:5:5: sections.1: unknown section 'gards'; did you mean guards?\n"
    assert done.stderr == message
    path.write_text("budget: 2M\nhorizon: 1\nsections: [multi-host]\n")
    done = hpogen("render", "--config", path)
    assert done.exit_code == 2
    message = (
        f"error: {path}:3:12: sections.0: multi-host was replaced by storage; write storage\n"
    )
    assert done.stderr == message
    path.write_text("budget: 2M\nhorizon: 1\nsections: guards\n")
    done = hpogen("render", "--config", path, "--with", "guards")
    assert done.exit_code == 2
    assert f"{path}:3:" in done.stderr


def test_a_script_with_sections_is_checked_as_any_other(tmp_path: Path) -> None:
    words = [word for name in NAMES for word in ("--with", name)]
    done = hpogen("render", "--budget", "2M", "--horizon", "1", *words, "--out", tmp_path)
    script = Path(done.stdout.strip())
    assert hpogen("check", script).exit_code == 0
    constant, value, _ = SCRIPT_SECTIONS[NAMES[0]].constants[0]
    script.write_text(script.read_text().replace(f"{constant} = {value}", f"{constant} = 0.5"))
    done = hpogen("check", script)
    assert done.exit_code == 1
    assert f"# {constant} is 0.5, rendered {value}" in done.stdout


def test_the_url_of_a_storage_asks_for_its_section(tmp_path: Path) -> None:
    study = {"name": "shared", "storage": "journal://shared.journal"}
    script = rendered(tmp_path, study=study)
    assert sections_of(script) == ["storage"]
    assert '\nSTUDY_NAME = "shared"' in script
    assert '\nSTORAGE: str | None = "journal://shared.journal"' in script
    without = rendered(tmp_path, "--without", "storage", study=study)
    assert without == rendered(tmp_path, study={"name": "shared"})
    assert sections_of(without) == []


def test_guards_of_several_sections_are_joined(tmp_path: Path) -> None:
    script = rendered(tmp_path, "--with", "slurm", "--with", "guards")
    assert "    Stops.guards = [*make_guards(ARGUMENTS.out), slurm_guard]\n" in script
    assert "Stops.guards" not in rendered(tmp_path)


def test_a_plan_says_which_of_its_scripts_have_a_section(tmp_path: Path) -> None:
    plan = {
        "budgets": ["2M"],
        "horizons": [1, 3],
        "config": {"sections": NAMES},
        "exceptions": [{"match": {"horizon": 3}, "config": {"sections": []}}],
    }
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plan))
    done = hpogen("render", "--plan", path)
    assert done.exit_code == 0, done.output
    found = [sections_of((tmp_path / f"hpo_2M_h{h}.py").read_text()) for h in (1, 3)]
    assert found == [NAMES, []]
    refused = hpogen("render", "--plan", path, "--with", NAMES[0])
    assert refused.exit_code == 2
    assert "--with cannot be combined with --plan" in refused.stderr
