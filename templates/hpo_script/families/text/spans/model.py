"""Model: an encoder reads question and text; two logits per word say where the answer is."""

from __future__ import annotations

from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.experiment.transformer import init_weights
from hpo_script.families.text.constants import HASH_BUCKETS
from hpo_script.families.text.encoder import Encoder
from hpo_script.families.text.spans.positions import span_logits
from hpo_script.families.text.spans.word_buckets import MARK, PADDING

NEAR = 5  # words that a word is seen with, itself in the middle


class WordEmbedding(nn.Module):
    """The vector of a word: the sum over its features, and a convolution over its neighbours."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.features = nn.Embedding(HASH_BUCKETS, d_model)
        self.near = nn.Conv1d(d_model, d_model, NEAR, padding=NEAR // 2)

    def forward(self, buckets: Tensor) -> Tensor:
        """Map buckets (batch, words, features) to vectors (batch, words, d_model)."""
        words = self.features(buckets).sum(2)
        return words + self.near(words.transpose(1, 2)).transpose(1, 2)


def text_words(buckets: Tensor) -> Tensor:
    """Return which positions hold words of the text: those after the second mark."""
    kind = buckets[:, :, 0]
    return ((kind == MARK).cumsum(1) == 2) & (kind != MARK) & (kind != PADDING)


class SpanFinder(nn.Module):
    """Encoder with the logits of start and end; position 0 stands for "no answer"."""

    def __init__(self, arch: Arch, dropout: float) -> None:
        super().__init__()
        self.encoder = Encoder(arch, dropout, WordEmbedding(arch["d_model"]))
        self.head = nn.Linear(arch["d_model"], 2)
        init_weights(self, arch["n_layers"])

    def forward(self, buckets: Tensor) -> Tensor:
        """Map buckets (batch, CONTEXT_LENGTH, features) to logits (batch, 2, CONTEXT_LENGTH)."""
        return span_logits(self.head, self.encoder(buckets), text_words(buckets))
