"""Checkpoints: sizes and exact counts of a model of transformers, read without torch.

The counts come from the header of model.safetensors, which lists name and shape of every tensor.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpogen.configuration.yaml_file import shown
from hpogen.errors import DataError

WEIGHTS = "model.safetensors"
SIZES = {  # by the names that kinds of models give them
    "d_model": ("hidden_size", "dim"),
    "n_heads": ("num_attention_heads", "n_heads"),
    "d_ff": ("intermediate_size", "hidden_dim"),
    "n_layers": ("num_hidden_layers", "n_layers"),
    "n_positions": ("max_position_embeddings",),
}
FLOATS = {"F64", "F32", "F16", "BF16"}
LAYER = re.compile(r"\.(\d+)\.")


def read_checkpoint(encoder: str) -> dict[str, Any]:
    """Return the constants of a model: digest of its weights, sizes, and counts by layers.

    `encoder`: a folder, or a name in the cache of the hub. Raises DataError.
    """
    place = shown(encoder, 200)
    try:
        config = json.loads(find_file(encoder, "config.json").read_text(encoding="utf-8"))
        content = find_file(encoder, WEIGHTS).read_bytes()
        sizes = {name: size_of(config, names) for name, names in SIZES.items()}
        counts = layer_counts(float_tensors(content), sizes["n_layers"])
    except ImportError:
        raise DataError(
            f"{place}: no such folder, and huggingface_hub is not installed; run:"
            " python -m pip install 'hpogen[text]'"
        ) from None
    except OSError as error:
        raise DataError(f"{place}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{place}: {shown(str(error), 200)}") from None
    digest = hashlib.sha256(content).hexdigest()
    return {"encoder_sha256": digest, "encoder_sizes": sizes, "encoder_params": counts}


def find_file(encoder: str, name: str) -> Path:
    """Return a file of a model. Raises OSError if neither a folder nor the cache has it."""
    if Path(encoder).is_dir():
        return Path(encoder) / name
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(encoder, name)
    if not isinstance(found, str):
        raise FileNotFoundError(0, f"no folder, and not in the cache of the hub: {name}")
    return Path(found)


def size_of(config: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """Return a size, by the first of its names in a configuration. Raises ValueError."""
    found = next((config[name] for name in names if name in config), None)
    if not isinstance(found, int) or found < 1:
        raise ValueError(f"config.json has no {' or '.join(names)}: not an encoder that fits")
    return found


def float_tensors(content: bytes) -> dict[str, int]:
    """Return {name: number of values} of the tensors in a safetensors file. Raises ValueError."""
    size = int.from_bytes(content[:8], "little")
    if not 2 <= size <= len(content) - 8:
        raise ValueError(f"{WEIGHTS} is damaged")
    header = json.loads(content[8 : 8 + size])
    return {
        name: math.prod(about["shape"])
        for name, about in header.items()
        if name != "__metadata__" and about["dtype"] in FLOATS
    }


def layer_counts(tensors: Mapping[str, int], n_layers: int) -> list[int]:
    """Return the parameters of the encoder with 1, 2, … layers, without pooler and heads.

    Raises ValueError if no tensor is an embedding.
    """
    first = next((name for name in tensors if "embeddings." in name), None)
    if first is None:
        raise ValueError(f"{WEIGHTS} holds no embeddings: not an encoder")
    prefix = first[: first.index("embeddings.")]
    own = {
        name.removeprefix(prefix): count
        for name, count in tensors.items()
        if name.startswith(prefix) and "pooler." not in name
    }
    layer_of = {name: int(found[1]) for name in own if (found := LAYER.search(name))}
    outside = sum(count for name, count in own.items() if name not in layer_of)
    return [
        outside + sum(own[name] for name, layer in layer_of.items() if layer < kept)
        for kept in range(1, n_layers + 1)
    ]
