"""Heads and pooling: options of the text family that change its model."""

from __future__ import annotations

from hpogen.families.family import Choice

HEADS = {
    "linear": Choice({"head": "families/text/heads/linear"}, "one linear layer"),
    "mlp": Choice({"head": "families/text/heads/mlp"}, "a hidden layer as wide as the model"),
}
POOLING = {
    "mean": Choice({"pooling": "families/text/pooling/mean"}, "mean over the tokens"),
    "max": Choice({"pooling": "families/text/pooling/max"}, "largest value over the tokens"),
    "cls": Choice({"pooling": "families/text/pooling/cls"}, "the first token"),
}
