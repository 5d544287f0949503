"""The order of the parts in the experiment half of a script; {slot}: filled by a choice."""

PARTS = (
    "experiment/shared",
    "experiment/transformer",
    "families/text/model",
    "families/text/examples",
    "families/text/metrics",
    "families/text/tfidf",
    "{loss}",
    "families/text/data",
    "experiment/accumulate_mean",
    "experiment/training",
    "experiment/arch_space",
    "experiment/space",
)
