"""The order of the parts in the experiment half of a script; {slot}: filled by a choice."""

PARTS = (
    "experiment/shared",
    "experiment/transformer",
    "families/language/model",
    "families/language/text",
    "families/language/n_gram",
    "families/language/data",
    "experiment/accumulate_mean",
    "experiment/training",
    "experiment/arch_space",
    "experiment/space",
)

FINAL_PARTS = ("families/language/final_task",)
