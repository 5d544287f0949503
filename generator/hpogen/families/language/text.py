"""Data, sizes and trial length of the language family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hpo_script.families.language.sizes import count_params, sample_bytes
from hpogen.families.family import DataFacts, Schedule
from hpogen.families.language.text_file import read_text_digest
from hpogen.families.shared import local_path
from hpogen.yaml_file import shown

DEFAULT_PATTERN = "**/*.py"


def check_text(constants: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (constant, what is wrong) for values that do not go together."""
    wrong = []
    if constants["train_fraction"] + constants["val_fraction"] >= 1:
        wrong.append(("val_fraction", "no bytes are left for the test split"))
    pattern = constants["file_pattern"]
    parts = PurePosixPath(pattern).parts
    if not parts or parts[0] == "/" or any("**" in part and part != "**" for part in parts):
        wrong.append(("file_pattern", f"{shown(pattern)} is no pattern such as **/*.txt"))
    return wrong


def read_text_data(path: str, said: Mapping[str, Any], task: str) -> DataFacts:
    """Return the properties of a text. Raises DataError."""
    del task
    pattern = said.get("file_pattern", DEFAULT_PATTERN)
    digest = read_text_digest(Path(path), str(pattern))
    return DataFacts({"data_path": local_path(path), "data_sha256": digest}, [], [])


def describe_text_inputs(constants: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """Return the form in which a text enters the model."""
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
    """Return an estimate of what one sample keeps for the backward pass."""
    del options
    return sample_bytes(arch, context_length=constants["context_length"])
