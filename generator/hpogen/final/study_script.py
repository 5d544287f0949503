"""The search script of a study: where it is, and whether the study ran it as it was rendered."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpo_script.machinery.source_digest import COMPARED, changes, read_source
from hpogen.check import header_spec, read_script
from hpogen.configuration.yaml_file import shown
from hpogen.errors import UsageError
from hpogen.families.shared import local_path
from hpogen.files import shown_path
from hpogen.rendering.render import render
from hpogen.spec import Spec

MOST = 10  # differences in a message


def find_script(results: Path, name: str, given: Path | None) -> Path:
    """Return the search script of a study. Raises UsageError if it is not found."""
    if given:
        return given
    folders = [Path(), *results.parents[:4]]
    names = dict.fromkeys([name, results.absolute().parent.name])
    for script in (folder / f"{stem}.py" for stem in names for folder in folders):
        if script.is_file():
            return script
    raise UsageError(
        f"{shown_path(results)} holds no specification; that of the search script is needed, and"
        f" there is no {shown(name)}.py here: add --script FILE"
    )


def study_spec(script: Path, about: Mapping[str, Any]) -> tuple[Spec, list[str]]:
    """Return the specification with which a study ran, and notes.

    `about`: the run line of its log, empty for other results. Raises UsageError if the study ran
    other code than the specification renders.
    """
    text = read_script(script)
    spec = header_spec(script, text)
    if not isinstance(spec, Spec):
        raise UsageError(f"{shown_path(script)}: a final script; give the search script")
    if "log_version" not in about:
        note = (
            "these results record neither data nor constants of the study; those of"
            f" {shown_path(script)} are used. A log records both"
        )
        return spec, [note]
    spec, notes = with_values(spec, about)
    rendered_script = render(spec)
    constants, code_sha256 = read_source(rendered_script)
    rendered = {"horizon": None, **constants, "data_sha256": about.get("data_sha256")}
    known = json.loads(json.dumps(dict(about)))
    known.setdefault("settings", {})
    for fields in (known, rendered):  # the digest of the log's data is taken, see with_values
        fields["settings"].pop("data_sha256", None)
    differing = changes(known, rendered, COMPARED[:-1])
    if code_sha256 != about.get("code_sha256") and not same_code(text, rendered_script, about):
        differing.append("its code is another")
    if differing:
        raise UsageError(
            f"{shown_path(script)}: the study ran another experiment than this specification"
            f" renders: {'; '.join(differing[:MOST])}. Give its own script with --script; a study"
            " with edited code, or of another version of hpogen, has no final script"
        )
    return spec, notes


def same_code(script: str, rendered: str, about: Mapping[str, Any]) -> bool:
    """Return whether a script is that of the study, and differs from a render in comments only."""
    try:
        if read_source(script)[1] != about.get("code_sha256"):
            return False
        return statements(script) == statements(rendered)
    except (SyntaxError, ValueError, RecursionError):
        return False


def statements(script: str) -> str:
    """Return the experiment half of a script without comments and docstrings."""
    tree = ast.parse("# " + script.split("\n# === ")[2])
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            node.body[:1] = []
    return ast.dump(tree)


def with_values(spec: Spec, about: Mapping[str, Any]) -> tuple[Spec, list[str]]:
    """Return a specification with the values of a run line in place of its own, and notes."""
    settings = about.get("settings")
    known = settings if isinstance(settings, dict) else {}
    constants = {name: known.get(name, value) for name, value in spec.constants.items()}
    digest = about.get("data_sha256")
    if isinstance(digest, str) and digest != constants["data_sha256"]:
        constants["data_sha256"] = digest
        constants.update({"data_range": None} if "data_range" in constants else {})
    if isinstance(about.get("data"), str):
        constants["data_path"] = local_path(about["data"])
    fixed = about.get("fixed_params")
    values = {
        **spec.model_dump(),
        "constants": constants,
        "fixed": fixed if isinstance(fixed, dict) else spec.fixed,
        "seed": about.get("seed", spec.seed),
    }
    unnamed = {"data_path"} if spec.constants["data_sha256"] else {"data_path", "data_sha256"}
    before, after = {**spec.constants, **spec.fixed}, {**constants, **values["fixed"]}
    edited = sorted(n for n in after if n not in unnamed and before.get(n) != after[n])
    notes = [f"{', '.join(edited)}: as in the study, not as in the script"] if edited else []
    return Spec.model_validate(values), notes
