"""Data, sizes and trial length of the language family."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hpo_script.families.language.parameter_counts import count_params, sample_bytes
from hpo_script.families.language.text import stretches, too_small
from hpogen.configuration.yaml_file import shown
from hpogen.errors import DataError
from hpogen.families.family import DataFacts, Schedule, with_defaults
from hpogen.families.language.constants import CONSTANTS
from hpogen.families.language.text_file import names_of, read_text_facts
from hpogen.families.shared import local_path


def check_text(constants: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (constant, fault) for values that contradict each other."""
    faults = []
    if constants["train_fraction"] + constants["val_fraction"] >= 1:
        faults.append(("val_fraction", "no bytes are left for the test split"))
    pattern = constants["file_pattern"]
    parts = PurePosixPath(pattern).parts
    if not parts or parts[0] == "/" or any("**" in part and part != "**" for part in parts):
        fault = f"{shown(pattern)} is not a valid pattern; write one such as **/*.txt"
        faults.append(("file_pattern", fault))
    return faults


def read_text_data(path: str, configured: Mapping[str, Any], task: str) -> DataFacts:
    """Return the properties of a text. Raises DataError.

    A pattern at the end of `path`, as in `notes/**/*.md`, replaces data.file_pattern.
    """
    del task
    folder, pattern = split_pattern(path)
    from_path = {"file_pattern": pattern} if pattern else {}
    values = with_defaults(CONSTANTS, {**configured, **from_path})
    text = read_text_facts(folder, values["file_pattern"])
    context_length = values["context_length"]
    parts = stretches(text.n_bytes, values, context_length)
    if fault := too_small(text.n_bytes, parts, context_length):
        raise DataError(f"{shown(path, 200)}: {fault}")
    files = f"{text.n_files:,} file{'s' * (text.n_files != 1)}"
    notes = [f"{files}, {text.n_bytes:,} bytes"] if folder.is_dir() else []
    if text.left_out:
        notes.append(f"files without text are left out: {names_of(text.left_out, folder)}")
    digest = {"data_path": local_path(str(folder)), "data_sha256": text.sha256}
    return DataFacts({**digest, **from_path}, notes, [])


def split_pattern(path: str) -> tuple[Path, str]:
    """Return the folder and the pattern of a path; an empty pattern if the path has none."""
    full = Path(path)
    first = next((i for i, part in enumerate(full.parts) if "*" in part or "?" in part), None)
    if first is None or os.path.lexists(path):
        return full, ""
    return Path(*full.parts[:first]), str(PurePosixPath(*full.parts[first:]))


def describe_text_inputs(constants: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """Return a description of the inputs of the model."""
    del options
    return f"bytes of text, {constants['context_length']:,} at a time"


def count_text_samples(
    constants: Mapping[str, Any], horizon: int | None, n_train_rows: int | None
) -> None:
    """Return None: the length of a trial does not depend on the number of samples."""
    del constants, horizon, n_train_rows


def text_schedule(config: Mapping[str, Any], n_samples: int | None) -> Schedule:
    """Return the length of a trial: an evaluation every `eval_interval` optimizer steps."""
    del n_samples
    steps, interval = config["steps"], min(config["eval_interval"], config["steps"])
    return Schedule(-(-steps // interval), interval, steps, interval, steps)


def count_text_params(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return the exact number of parameters of an architecture."""
    del options
    return count_params(arch, context_length=constants["context_length"])


def text_sample_bytes(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return an estimate of the bytes that one sample keeps for the backward pass."""
    del options
    return sample_bytes(arch, context_length=constants["context_length"])
