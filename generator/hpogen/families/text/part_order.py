"""Parts of the experiment half, in order; a chosen task or option fills each {slot}."""

PARTS = (
    "experiment/shared",
    "experiment/transformer",
    "families/text/encoder",
    "{head}",
    "{vocabulary}",
    "families/text/model",
    "families/text/examples",
    "families/text/metrics",
    "families/text/tfidf",
    "families/text/softmax",
    "families/text/label_baselines",
    "{loss}",
    "families/text/augment",
    "{tokens}",
    "families/text/data",
    "{byte_pairs}",
    "experiment/accumulate_mean",
    "{optimizer}",
    "families/text/optimizer",
    "{schedule}",
    "families/text/learning_rate",
    "experiment/training",
    "experiment/arch_space",
    "experiment/space",
)

FINAL_PARTS = (
    "families/text/final_measures",
    "families/text/final_task",
    "{final_byte_pairs}",
)
