"""Golden scripts: whole scripts as they were last looked at; `make golden` writes them again."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from hpogen.load import load_config
from hpogen.render import part_names, render
from hpogen.spec import Spec, make_spec

GOLDEN = Path(__file__).parents[1] / "golden"
CONFIGS = sorted(GOLDEN.glob("*.yaml"))
# For the documentation, for the types, and for the counts of hpogen itself; in no script.
NO_PARTS = {"log_fields", "task", "block_sizes", "gpt/arch", "patchtst/arch"}


def golden_spec(config: Path) -> Spec:
    """Return the specification of a golden script."""
    return make_spec(config=load_config(config)[0])


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_a_script_is_still_what_it_was(config: Path) -> None:
    script = config.with_suffix(".py").read_bytes()
    assert script.decode() == render(golden_spec(config))


def test_every_script_has_its_configuration() -> None:
    scripts = {path.stem for path in GOLDEN.glob("*.py")}
    assert scripts == {path.stem for path in CONFIGS}


def test_every_part_is_in_a_golden_script() -> None:
    root = Path(str(resources.files("hpo_script")))
    files = {path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.py")}
    parts = {name for name in files if not name.endswith("__init__")} - NO_PARTS
    used = {name for config in CONFIGS for name in part_names(golden_spec(config))}
    assert used == parts


if __name__ == "__main__":
    for path in CONFIGS:
        path.with_suffix(".py").write_bytes(render(golden_spec(path)).encode())
