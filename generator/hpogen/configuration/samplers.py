"""Samplers and pruners of Optuna that a script may use, with the default of every argument.

A script holds every argument, because Optuna's defaults change between versions. The defaults
here are those of Optuna 5, except for TPE and the median pruner, whose defaults were chosen by
measurement (see the page on decisions).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)


def whole_or_auto(value: object) -> int | str:
    """Return a whole number above 0 or "auto" unchanged. Raises ValueError for other values."""
    if isinstance(value, str) and value == "auto":
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError("write a whole number above 0, or auto")


# Descriptions of arguments that several methods have.
WARN_INDEPENDENT = "Warn when a parameter is drawn independently of the others"
PRUNER_STARTUP = "Number of finished trials before any trial is pruned"
PRUNER_WARMUP = "Number of steps in each trial before it may be pruned"
PRUNER_INTERVAL = "Number of steps between two checks"
PRUNER_MIN_TRIALS = "Number of trials that must have reached a step before it is used"
BOOTSTRAP = "Number of trials that must have reached a rung before any is promoted"

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Resource = Annotated[
    Any,
    PlainValidator(whole_or_auto),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
]


class Strict(BaseModel):
    """A mapping that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Method(Strict):
    """A sampler or pruner: its class in Optuna, and the packages it needs besides Optuna."""

    optuna: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()


class Tpe(Method):
    """Tree-structured Parzen estimator (TPE), the default."""

    optuna: ClassVar[str] = "TPESampler"
    type: Literal["tpe"] = "tpe"
    n_startup_trials: Count = Field(
        default=10, description="Number of random trials before TPE takes over"
    )
    n_ei_candidates: Positive = Field(
        default=24, description="Candidates per suggestion, compared by expected improvement"
    )
    multivariate: bool = Field(
        default=True,
        description="Draw the parameters together, with the script's own kernels, which need the"
        " first two arguments only (for two metrics with Optuna's); false: one by one, with"
        " Optuna's",
    )
    group: bool | None = Field(
        default=None,
        description="For one metric, no effect: drawn together, a parameter whose condition fails"
        " is left out of what a trial shows. For two, draw parameters with a condition in a group"
        " of their own; default: true if multivariate and a parameter has a condition",
    )
    constant_liar: bool = Field(
        default=True,
        description="Treat running trials as bad ones, so that workers try other parameters",
    )
    prior_weight: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="Weight of the prior in the Parzen estimator"
    )
    consider_magic_clip: bool = Field(
        default=True, description="Limit the smallest bandwidth of a kernel"
    )
    consider_endpoints: bool = Field(
        default=False, description="Take the ends of a range into account for bandwidths"
    )
    warn_independent_sampling: bool = Field(default=False, description=WARN_INDEPENDENT)


class Random(Method):
    """Independent random draws."""

    optuna: ClassVar[str] = "RandomSampler"
    type: Literal["random"]


class Grid(Method):
    """Grid search: each combination once, in random order; searches no floats."""

    optuna: ClassVar[str] = "grid"
    type: Literal["grid"]


class CmaEs(Method):
    """CMA evolution strategy (CMA-ES); draws categorical parameters at random."""

    optuna: ClassVar[str] = "CmaEsSampler"
    requires: ClassVar[tuple[str, ...]] = ("cmaes",)
    type: Literal["cmaes"]
    n_startup_trials: Count = Field(
        default=1, description="Number of random trials before CMA-ES takes over"
    )
    sigma0: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Initial step size; default: a sixth of the range"
    )
    popsize: Annotated[int, Field(ge=2)] | None = Field(
        default=None,
        description="Trials per generation; default: derived from the number of parameters",
    )
    consider_pruned_trials: bool = Field(
        default=False, description="Use pruned trials too, with their last value"
    )
    use_separable_cma: bool = Field(
        default=False, description="Restrict the covariance matrix to its diagonal"
    )
    with_margin: bool = Field(
        default=False, description="Use CMA-ES with margin, which keeps integers from freezing"
    )
    lr_adapt: bool = Field(
        default=False, description="Adapt the learning rate of CMA-ES, for noisy objectives"
    )
    warn_independent_sampling: bool = Field(default=False, description=WARN_INDEPENDENT)


class Nsga2(Method):
    """Genetic algorithm for two metrics (NSGA-II); needs second_metric."""

    optuna: ClassVar[str] = "NSGAIISampler"
    type: Literal["nsga2"]
    population_size: Annotated[int, Field(ge=2)] = Field(
        default=50,
        description="Trials per generation; the first has extremes and random trials",
    )
    mutation_prob: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="Probability that a parameter is drawn at random; default: 1 divided by their"
        " number",
    )
    crossover_prob: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.9, description="Probability that a trial has two parents, not one"
    )
    swapping_prob: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.5, description="Probability that a parameter comes from the second parent"
    )


class Gp(Method):
    """Gaussian process with expected improvement; slower per trial than TPE."""

    optuna: ClassVar[str] = "GPSampler"
    requires: ClassVar[tuple[str, ...]] = ("scipy",)
    type: Literal["gp"]
    n_startup_trials: Count = Field(
        default=10, description="Number of random trials before the model takes over"
    )
    deterministic_objective: bool = Field(
        default=False, description="Treat the objective as free of noise"
    )
    warn_independent_sampling: bool = Field(default=False, description=WARN_INDEPENDENT)


class Median(Method):
    """Prune a trial whose best value so far is worse than the median of others at its step."""

    optuna: ClassVar[str] = "MedianPruner"
    type: Literal["median"] = "median"
    n_startup_trials: Count = Field(default=8, description=PRUNER_STARTUP)
    n_warmup_steps: Count = Field(default=0, description=PRUNER_WARMUP)
    interval_steps: Positive = Field(default=1, description=PRUNER_INTERVAL)
    n_min_trials: Positive = Field(default=5, description=PRUNER_MIN_TRIALS)


class Percentile(Method):
    """Prune a trial whose best value so far is outside the best percentile of the others."""

    optuna: ClassVar[str] = "PercentilePruner"
    type: Literal["percentile"]
    percentile: Annotated[float, Field(ge=0, le=100)] = Field(
        default=25.0, description="Percentage of trials that is kept"
    )
    n_startup_trials: Count = Field(default=8, description=PRUNER_STARTUP)
    n_warmup_steps: Count = Field(default=0, description=PRUNER_WARMUP)
    interval_steps: Positive = Field(default=1, description=PRUNER_INTERVAL)
    n_min_trials: Positive = Field(default=5, description=PRUNER_MIN_TRIALS)


class SuccessiveHalving(Method):
    """Asynchronous successive halving (ASHA)."""

    optuna: ClassVar[str] = "SuccessiveHalvingPruner"
    type: Literal["successive_halving"]
    min_resource: Resource = Field(
        default="auto", description="Step of the first rung; auto: estimated from the first trials"
    )
    reduction_factor: Annotated[int, Field(ge=2)] = Field(
        default=4, description="One of this many trials is promoted to the next rung"
    )
    min_early_stopping_rate: Count = Field(
        default=0, description="Number of rungs to leave out at the start"
    )
    bootstrap_count: Count = Field(default=0, description=BOOTSTRAP)


class Hyperband(Method):
    """Hyperband: several brackets of successive halving."""

    optuna: ClassVar[str] = "HyperbandPruner"
    type: Literal["hyperband"]
    min_resource: Positive = Field(default=1, description="Step of the first rung")
    max_resource: Resource = Field(
        default="auto", description="Step of the last rung; auto: last step of a finished trial"
    )
    reduction_factor: Annotated[int, Field(ge=2)] = Field(
        default=3, description="One of this many trials is promoted to the next rung"
    )
    bootstrap_count: Count = Field(default=0, description=BOOTSTRAP)


class NoPruner(Method):
    """Prune no trial."""

    optuna: ClassVar[str] = "NopPruner"
    type: Literal["none"]


def default_tpe(value: Any) -> Any:
    """Return the arguments of a sampler with type tpe where they have no type."""
    return {"type": "tpe", **value} if isinstance(value, dict) else value


def default_median(value: Any) -> Any:
    """Return the arguments of a pruner with type median where they have no type."""
    return {"type": "median", **value} if isinstance(value, dict) else value


SamplerArguments = Annotated[
    Annotated[Tpe | Random | Grid | CmaEs | Gp | Nsga2, Field(discriminator="type")],
    BeforeValidator(default_tpe),
]
PrunerArguments = Annotated[
    Annotated[
        Median | Percentile | SuccessiveHalving | Hyperband | NoPruner,
        Field(discriminator="type"),
    ],
    BeforeValidator(default_median),
]


def is_joint(sampler: Method, n_objectives: int) -> bool:
    """Return whether a sampler is the script's own joint TPE, which takes one objective."""
    return isinstance(sampler, Tpe) and sampler.multivariate and n_objectives == 1


def written_out(arguments: Method, n_objectives: int = 1) -> dict[str, Any]:
    """Return the class, as "type", and its arguments, as a script holds them.

    The class is one of Optuna, with all its arguments, or the script's own joint TPE.
    """
    if is_joint(arguments, n_objectives):
        names = {"n_startup_trials", "n_ei_candidates"}
        return {**arguments.model_dump(include=names), "type": "JointTPE"}
    return {**arguments.model_dump(), "type": arguments.optuna}
