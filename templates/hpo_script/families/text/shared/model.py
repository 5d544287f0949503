"""Model: one encoder with two heads, for the label of a text and for the span in it."""

from __future__ import annotations

from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.experiment.transformer import init_weights
from hpo_script.families.text.constants import LABELS
from hpo_script.families.text.shared.logits import joined_logits, text_mean
from hpo_script.families.text.spans.model import SpanFinder, text_words
from hpo_script.families.text.spans.positions import span_logits


class LabelSpanModel(SpanFinder):
    """Both heads read the vectors of one encoder; the label is that of their mean."""

    def __init__(self, arch: Arch, dropout: float) -> None:
        super().__init__(arch, dropout)
        self.dropout = nn.Dropout(dropout)
        self.label_head = nn.Linear(arch["d_model"], len(LABELS))
        init_weights(self, arch["n_layers"])

    def forward(self, buckets: Tensor) -> Tensor:
        """Map buckets (batch, CONTEXT_LENGTH, features) to logits; see `split_logits`."""
        vectors, is_text = self.encoder(buckets), text_words(buckets)
        labels = self.label_head(self.dropout(text_mean(vectors, is_text)))
        return joined_logits(span_logits(self.head, vectors, is_text), labels)
