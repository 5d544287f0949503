"""Weights: files in the format safetensors, with everything that loading a model needs.

The trainings write them (training.py). The metadata is JSON under the key `hpogen`; no code is
stored and none is executed on loading.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from hpo_script.constants import DIRECTION, NAME
from hpo_script.experiment.shared import UnusableError
from hpo_script.final.task import FinalTask
from hpo_script.machinery.checkpoint import replace_file


def save_weights(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    """Write a file in one piece; return its SHA-256."""
    content = safetensors.torch.save(dict(tensors), {"hpogen": json.dumps(about)})
    replace_file(path, lambda file: file.write(content))
    return hashlib.sha256(content).hexdigest()


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a file, and its metadata. Raises UnusableError."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["hpogen"])
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, about
    except (OSError, KeyError, ValueError, safetensors.SafetensorError) as error:
        raise UnusableError(f"{path}: no weights of a final script: {error}") from None


def best_weights(folder: Path) -> Path:
    """Return the file with the best validation value. Raises UnusableError if there is none."""
    sign = 1 if DIRECTION == "minimize" else -1
    found = {path: read_weights(path)[1]["value"] for path in sorted(folder.glob("*.safetensors"))}
    if not found:
        raise UnusableError(f"{folder} holds no weights; run the script without options first")
    return min(found, key=lambda path: sign * found[path])


def load_model(
    path: Path, task: FinalTask, device: torch.device
) -> tuple[nn.Module, dict[str, Any]]:
    """Return the model of a file, and its metadata; the task gets the statistics of its inputs.

    Raises UnusableError for weights of another script.
    """
    tensors, about = read_weights(path)
    if about.get("name") != NAME:
        raise UnusableError(f"{path}: weights of {about.get('name')}, not of {NAME}")
    task.restore(about["statistics"])
    model = task.empty_model(about["architecture"])
    model.load_state_dict(tensors)
    return model.to(device).eval(), about
