"""Parts of the experiment half, in order."""

PARTS = (
    "experiment/shared",
    "experiment/transformer",
    "families/text/encoder",
    "families/text/spans/words",
    "families/text/spans/word_buckets",
    "families/text/spans/positions",
    "families/text/spans/model",
    "families/text/examples",
    "families/text/spans/examples",
    "families/text/spans/metrics",
    "families/text/spans/rules",
    "families/text/softmax",
    "families/text/spans/word_regression",
    "families/text/augment",
    "families/text/spans/word_inputs",
    "families/text/spans/data",
    "families/text/spans/span_task",
    "experiment/accumulate_mean",
    "{optimizer}",
    "families/text/optimizer",
    "{schedule}",
    "families/text/learning_rate",
    "experiment/training",
    "experiment/arch_space",
    "experiment/space",
)

FINAL_PARTS = ("families/text/spans/final_task",)
