"""Samplers and pruners: those of Optuna that a script may use, with every argument written out.

Optuna's defaults change between its versions; a value that stands in the script does not. The
values here are those of Optuna 5, apart from the TPE's and the median pruner's, which were
chosen by measurement (see the page on decisions).
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
    """Return a whole number above 0, or auto. Raises ValueError for all else."""
    if isinstance(value, str) and value == "auto":
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError("give a whole number above 0, or auto")


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
    """A sampler or pruner: Optuna's name of it, and the packages it needs besides Optuna."""

    optuna: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()


class Tpe(Method):
    """Tree-structured Parzen estimator: the default."""

    optuna: ClassVar[str] = "TPESampler"
    type: Literal["tpe"] = "tpe"
    n_startup_trials: Count = Field(default=10, description="Random trials before the model")
    n_ei_candidates: Positive = Field(default=24, description="Candidates per suggestion")
    multivariate: bool = Field(default=False, description="Draw parameters together")
    group: bool | None = Field(
        default=None, description="Draw those of a condition together; default: if multivariate"
    )
    constant_liar: bool = Field(default=True, description="Keep away from running trials")
    prior_weight: Annotated[float, Field(gt=0)] = Field(default=1.0, description="Of the prior")
    consider_magic_clip: bool = Field(default=True, description="Limit the narrowest kernel")
    consider_endpoints: bool = Field(default=False, description="Let bounds widen kernels")
    warn_independent_sampling: bool = Field(default=False, description="Say so in the output")


class Random(Method):
    """Independent draws."""

    optuna: ClassVar[str] = "RandomSampler"
    type: Literal["random"]


class Grid(Method):
    """Every combination once, in random order; no float can be searched."""

    optuna: ClassVar[str] = "grid"
    type: Literal["grid"]


class CmaEs(Method):
    """Covariance matrix adaptation; categorical parameters are drawn at random."""

    optuna: ClassVar[str] = "CmaEsSampler"
    requires: ClassVar[tuple[str, ...]] = ("cmaes",)
    type: Literal["cmaes"]
    n_startup_trials: Count = Field(default=1, description="Random trials before the model")
    sigma0: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="First step size; default: a sixth of the range"
    )
    popsize: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="Trials per generation; default: by the number of parameters"
    )
    consider_pruned_trials: bool = Field(default=False, description="Learn from pruned trials")
    use_separable_cma: bool = Field(default=False, description="Diagonal covariance")
    with_margin: bool = Field(default=False, description="Keep whole numbers moving")
    lr_adapt: bool = Field(default=False, description="Adapt the learning rate")
    warn_independent_sampling: bool = Field(default=False, description="Say so in the output")


class Gp(Method):
    """Gaussian process with expected improvement; slower per trial than TPE."""

    optuna: ClassVar[str] = "GPSampler"
    requires: ClassVar[tuple[str, ...]] = ("scipy",)
    type: Literal["gp"]
    n_startup_trials: Count = Field(default=10, description="Random trials before the model")
    deterministic_objective: bool = Field(default=False, description="Assume no noise")
    warn_independent_sampling: bool = Field(default=False, description="Say so in the output")


class Median(Method):
    """Stop a trial whose best so far is behind the median of the others at its step."""

    optuna: ClassVar[str] = "MedianPruner"
    type: Literal["median"] = "median"
    n_startup_trials: Count = Field(default=8, description="Finished trials before any is stopped")
    n_warmup_steps: Count = Field(default=0, description="Steps before any is stopped")
    interval_steps: Positive = Field(default=1, description="Steps between two looks")
    n_min_trials: Positive = Field(default=5, description="Trials that must have reached a step")


class Percentile(Method):
    """Stop a trial whose best so far is outside the best percentile of the others."""

    optuna: ClassVar[str] = "PercentilePruner"
    type: Literal["percentile"]
    percentile: Annotated[float, Field(ge=0, le=100)] = Field(
        default=25.0, description="Share of the trials that go on, in percent"
    )
    n_startup_trials: Count = Field(default=8, description="Finished trials before any is stopped")
    n_warmup_steps: Count = Field(default=0, description="Steps before any is stopped")
    interval_steps: Positive = Field(default=1, description="Steps between two looks")
    n_min_trials: Positive = Field(default=5, description="Trials that must have reached a step")


class SuccessiveHalving(Method):
    """Asynchronous successive halving (ASHA)."""

    optuna: ClassVar[str] = "SuccessiveHalvingPruner"
    type: Literal["successive_halving"]
    min_resource: Resource = Field(default="auto", description="First rung")
    reduction_factor: Annotated[int, Field(ge=2)] = Field(default=4, description="1 of N goes on")
    min_early_stopping_rate: Count = Field(default=0, description="Rungs left out at the start")
    bootstrap_count: Count = Field(default=0, description="Trials a rung needs to decide")


class Hyperband(Method):
    """Several brackets of successive halving."""

    optuna: ClassVar[str] = "HyperbandPruner"
    type: Literal["hyperband"]
    min_resource: Positive = Field(default=1, description="First rung")
    max_resource: Resource = Field(default="auto", description="Last rung")
    reduction_factor: Annotated[int, Field(ge=2)] = Field(default=3, description="1 of N goes on")
    bootstrap_count: Count = Field(default=0, description="Trials a rung needs to decide")


class NoPruner(Method):
    """Stop no trial before it ends by itself."""

    optuna: ClassVar[str] = "NopPruner"
    type: Literal["none"]


def default_tpe(value: Any) -> Any:
    """Return the arguments with the type that is meant when none is said."""
    return {"type": "tpe", **value} if isinstance(value, dict) else value


def default_median(value: Any) -> Any:
    """Return the arguments with the type that is meant when none is said."""
    return {"type": "median", **value} if isinstance(value, dict) else value


SamplerArguments = Annotated[
    Annotated[Tpe | Random | Grid | CmaEs | Gp, Field(discriminator="type")],
    BeforeValidator(default_tpe),
]
PrunerArguments = Annotated[
    Annotated[
        Median | Percentile | SuccessiveHalving | Hyperband | NoPruner,
        Field(discriminator="type"),
    ],
    BeforeValidator(default_median),
]


def written_out(arguments: Method) -> dict[str, Any]:
    """Return Optuna's name of a sampler or pruner and all its arguments, as in the script."""
    found = {name: value for name, value in arguments.model_dump().items() if name != "type"}
    return {"type": arguments.optuna, **found}
