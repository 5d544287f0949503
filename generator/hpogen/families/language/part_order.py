"""Parts of the experiment half, in order; a chosen task or option fills each {slot}."""

PARTS = (
    "experiment/shared",
    "experiment/transformer",
    "families/language/model",
    "families/language/text",
    "families/language/n_gram",
    "families/language/data",
    "experiment/accumulate_mean",
    "experiment/optimizer_and_schedule",
    "experiment/training",
    "experiment/arch_space",
    "experiment/space",
)

FINAL_PARTS = ("families/language/final_task",)
