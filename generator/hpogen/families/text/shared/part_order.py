"""Parts of the experiment half, in order; {slots} are filled as in the other text families."""

PARTS = (
    "experiment/shared",
    "experiment/transformer",
    "families/text/encoder",
    "families/text/spans/words",
    "families/text/spans/model",
    "families/text/shared/logits",
    "families/text/shared/model",
    "families/text/examples",
    "families/text/spans/examples",
    "families/text/metrics",
    "families/text/spans/metrics",
    "families/text/tfidf",
    "families/text/softmax",
    "families/text/label_baselines",
    "families/text/spans/rules",
    "families/text/spans/word_regression",
    "{loss}",
    "families/text/augment",
    "families/text/spans/data",
    "families/text/shared/data",
    "experiment/accumulate_mean",
    "{optimizer}",
    "families/text/optimizer",
    "{schedule}",
    "families/text/learning_rate",
    "experiment/training",
    "experiment/arch_space",
    "experiment/space",
)

FINAL_PARTS = ("families/text/final_measures", "families/text/shared/final_task")
