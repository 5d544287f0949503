"""Pretrained encoder: model and tokenizer from a folder or the cache of the Hugging Face hub.

Nothing is downloaded. A model may keep fewer layers than its file has: the lowest ones.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import cached_file
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from hpo_script.experiment.shared import UnusableError
from hpo_script.families.text.constants import ENCODER, ENCODER_SHA256

ALL_LAYERS = 1000  # with fewer trained layers, the embeddings are frozen


@functools.cache
def load_tokenizer() -> Any:
    """Return the tokenizer, after a check of the weights' digest. Raises UnusableError."""
    set_verbosity_error()
    disable_progress_bar()
    try:
        weights = cached_file(ENCODER, "model.safetensors", local_files_only=True)
        digest = hashlib.sha256(Path(str(weights)).read_bytes()).hexdigest()
        tokenizer: Any = AutoTokenizer.from_pretrained(ENCODER, local_files_only=True)
    except (OSError, ValueError):
        raise UnusableError(
            f"{ENCODER}: neither a folder with a model of transformers nor one in the cache of the"
            " hub; nothing is downloaded"
        ) from None
    if digest != ENCODER_SHA256:
        raise UnusableError(f"{ENCODER}: sha256 {digest:.12}… differs from ENCODER_SHA256")
    if tokenizer.pad_token_id is None or tokenizer.mask_token_id is None:
        raise UnusableError(f"{ENCODER}: the tokenizer needs tokens for padding and masking")
    return tokenizer


def load_layers(n_layers: int, dropout: float) -> nn.Module:
    """Return the embeddings and the lowest layers; without values on the meta device."""
    kept = {"num_hidden_layers": n_layers, "local_files_only": True}
    config = AutoConfig.from_pretrained(ENCODER, **kept)
    for name, value in config.to_dict().items():
        if "dropout" in name and isinstance(value, float):
            setattr(config, name, dropout)
    if torch.get_default_device().type == "meta":
        model = AutoModel.from_config(config)
    else:
        model = AutoModel.from_pretrained(ENCODER, config=config, local_files_only=True).float()
    if hasattr(model, "pooler"):
        model.pooler = None  # no pooling here uses it
    return model


class PretrainedEncoder(nn.Module):
    """A vector per token. Each parameter gets its level: 1 in the top layer, then upwards."""

    def __init__(self, n_layers: int, dropout: float) -> None:
        super().__init__()
        tokenizer = load_tokenizer()
        self.padding = tokenizer.pad_token_id
        self.has_segments = "token_type_ids" in tokenizer.model_input_names
        self.model = load_layers(n_layers, dropout)
        for name, parameter in self.model.named_parameters():
            level = level_of(name, n_layers)
            parameter.level = level  # type: ignore[attr-defined]
            is_embedding = level > n_layers
            parameter.trained_from = ALL_LAYERS if is_embedding else level  # type: ignore[attr-defined]

    def forward(self, tokens: Tensor, segments: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map tokens (batch, tokens) to vectors (batch, tokens, d_model) and a mask of texts.

        `segments`: 0 or 1 per token, for models that tell a question from a text.
        """
        is_text = tokens != self.padding
        mask = is_text[:, None, None, :]  # a mask of two axes fails on the meta device
        more = {"token_type_ids": segments} if self.has_segments else {}
        found = self.model(input_ids=tokens, attention_mask=mask, **more)
        return found.last_hidden_state, is_text


def level_of(name: str, n_layers: int) -> int:
    """Return the level of a parameter: 0 above the layers, n_layers + 1 in the embeddings."""
    if layer := re.search(r"\.(\d+)\.", name):
        return n_layers - int(layer[1])
    return n_layers + 1 if "embeddings" in name else 0
