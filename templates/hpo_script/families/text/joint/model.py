"""Model: an encoder for the label, one for the span, and heads that read their fusion.

All fusions use the same matrix, so that trials compare them at one number of parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.experiment.transformer import init_weights
from hpo_script.families.text.constants import LABELS
from hpo_script.families.text.encoder import Encoder
from hpo_script.families.text.joint.fusions import FUSIONS
from hpo_script.families.text.shared.logits import joined_logits, text_mean
from hpo_script.families.text.spans.model import (
    SpanFinder,
    WordEmbedding,
    text_words,
)
from hpo_script.families.text.spans.positions import open_words, span_logits


class LabelSpanModel(SpanFinder):
    """The buffer `fusion` has a 1 for the fusion of the trial and a 0 for the others.

    It is a part of the state, so that checkpoints and saved weights have it.
    """

    fusion: Tensor

    def __init__(self, arch: Arch, dropout: float) -> None:
        super().__init__(arch, dropout)
        d_model = arch["d_model"]
        self.label_encoder = Encoder(arch, dropout, WordEmbedding(d_model))
        self.mix = nn.Linear(2 * d_model, d_model)
        self.norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        self.label_head = nn.Linear(d_model, len(LABELS))
        self.register_buffer("fusion", torch.eye(len(FUSIONS))[0])
        init_weights(self, arch["n_layers"])

    def forward(self, buckets: Tensor) -> Tensor:
        """Map buckets (batch, CONTEXT_LENGTH, features) to logits; see `split_logits`."""
        is_text = text_words(buckets)
        both = self.encoder(buckets), self.label_encoder(buckets)
        fused = [fuse(*both, self.mix, open_words(is_text)) for fuse in FUSIONS.values()]
        chosen = [share * way for share, way in zip(self.fusion, fused, strict=True)]
        vectors = self.norm(torch.stack(chosen).sum(0))
        labels = self.label_head(self.dropout(text_mean(vectors, is_text)))
        return joined_logits(span_logits(self.head, vectors, is_text), labels)


def choose_fusion(model: nn.Module, name: str) -> None:
    """Set the fusion of a model from now on."""
    chosen = torch.tensor([float(other == name) for other in FUSIONS])
    model.get_buffer("fusion").copy_(chosen)
