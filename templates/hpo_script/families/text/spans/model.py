"""Model: an encoder reads question and text; two logits per word say where the answer is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.experiment.transformer import init_weights
from hpo_script.families.text.constants import HASH_BUCKETS
from hpo_script.families.text.encoder import Encoder
from hpo_script.families.text.spans.words import MARK, PADDING


class WordEmbedding(nn.Embedding):
    """The vector of a word is the sum of the vectors of its features."""

    def forward(self, buckets: Tensor) -> Tensor:
        """Map buckets (batch, words, features) to vectors (batch, words, d_model)."""
        return super().forward(buckets).sum(2)


class SpanFinder(nn.Module):
    """Encoder with the logits of start and end; position 0 stands for "no answer"."""

    def __init__(self, arch: Arch, dropout: float) -> None:
        super().__init__()
        self.encoder = Encoder(arch, dropout, WordEmbedding(HASH_BUCKETS, arch["d_model"]))
        self.head = nn.Linear(arch["d_model"], 2)
        init_weights(self, arch["n_layers"])

    def forward(self, buckets: Tensor) -> Tensor:
        """Map buckets (batch, CONTEXT_LENGTH, features) to logits (batch, 2, CONTEXT_LENGTH).

        The logits of the question, the mark before the text, and the padding are -inf.
        """
        kind = buckets[:, :, 0]
        is_text = ((kind == MARK).cumsum(1) == 2) & (kind != MARK) & (kind != PADDING)
        is_text[:, 0] = True
        logits = self.head(self.encoder(buckets)).transpose(1, 2)
        return logits.float().masked_fill(~is_text.unsqueeze(1), -torch.inf)
