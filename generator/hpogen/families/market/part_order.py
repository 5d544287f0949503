"""Parts of the experiment half, in order; a chosen task or option fills each {slot}."""

PARTS = (
    "experiment/shared",
    "{labels}",
    "experiment/transformer",
    "families/market/model",
    "{inputs}",
    "families/market/metrics",
    "{start_features}",
    "families/market/logistic",
    "{start}",
    "{loss}",
    "{prices}",
    "families/market/data",
    "{accumulate}",
    "experiment/optimizer_and_schedule",
    "experiment/training",
    "{walk_forward}",
    "experiment/arch_space",
    "experiment/space",
)

FINAL_PARTS = ("families/market/final_measures", "families/market/final_task")
