"""Golden scripts: one whole script per family, and how other configurations differ from it.

`make golden` writes them again.
"""

from __future__ import annotations

import ast
import difflib
import os
from importlib import resources
from pathlib import Path

import pytest

from hpogen.configuration.load import load_config
from hpogen.final.final_spec import final_part_names
from hpogen.rendering.render import part_names, render
from hpogen.spec import Spec, make_spec

GOLDEN = Path(__file__).parents[1] / "golden"
CONFIGS = sorted(GOLDEN.glob("*.yaml"))
WHOLE = {name: GOLDEN / f"{name}.py" for name in ("market", "language", "text")}
WHOLE |= dict.fromkeys(("spans", "text_shared", "text_joint"), WHOLE["text"])
# For types, the documentation and the counts of hpogen itself; in no script.
NO_PARTS = ("constants", "log_line_meanings", "task", "block_parameter_count", "parameter_counts")


def golden_spec(config: Path) -> Spec:
    """Return the specification of a golden script."""
    return make_spec(config=load_config(config)[0])


def golden_file(config: Path) -> tuple[Path, str]:
    """Return the file of a configuration and its content: a script, or a diff against one."""
    spec = golden_spec(config)
    script, whole = render(spec), WHOLE[spec.family.name]
    if config.stem == whole.stem:
        return whole, script
    base_config = config.with_stem(config.stem.rpartition("_")[0])
    if not base_config.is_file():
        base_config = whole.with_suffix(".yaml")
    base = render(golden_spec(base_config))
    names = (f"{base_config.stem}.py", f"{config.stem}.py")
    lines = difflib.unified_diff(base.splitlines(), script.splitlines(), *names, n=0, lineterm="")
    return config.with_suffix(".diff"), "\n".join(lines) + "\n"


@pytest.fixture(autouse=True)
def in_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enter the folder in which `pretrained.yaml` finds its encoder."""
    monkeypatch.chdir(GOLDEN)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_a_script_is_still_the_same(config: Path) -> None:
    path, content = golden_file(config)
    assert path.read_text() == content


TEXTS = [path for path in CONFIGS if path.stem.startswith(("text", "spans", "pretrained"))]


@pytest.mark.parametrize("config", TEXTS, ids=lambda config: config.stem)
def test_a_script_of_texts_defines_each_function_once(config: Path) -> None:
    nodes = ast.parse(render(golden_spec(config))).body
    found = [node.name for node in nodes if isinstance(node, ast.FunctionDef)]
    assert len(found) == len({*found})


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_every_experiment_has_the_same_order(config: Path) -> None:
    script = render(golden_spec(config))
    parts = (
        "Model: ",
        "Data: ",
        "Gradient accumulation",
        "Optimizer",
        "Training of one",
        "Search",
    )
    places = [script.index(f"\n# --- {part}") for part in parts]
    assert places == sorted(places)


def test_every_part_is_in_a_golden_script_or_a_final_one() -> None:
    root = Path(str(resources.files("hpo_script")))
    files = {path.relative_to(root).with_suffix("") for path in root.rglob("*.py")}
    parts = {path.as_posix() for path in files if path.name not in ("__init__", *NO_PARTS)}
    specs = [golden_spec(config) for config in CONFIGS]
    scripts = [part_names(spec) for spec in specs]
    scripts += [final_part_names(spec) for spec in specs if spec.family.final_parts]
    blocks = [names for script in scripts for names in script]
    assert {name for names in blocks for name in names} == parts


if __name__ == "__main__":
    os.chdir(GOLDEN)
    for path in (*GOLDEN.glob("*.diff"), *GOLDEN.glob("*.py")):
        path.unlink()
    for config in CONFIGS:
        path, content = golden_file(config)
        path.write_text(content)
