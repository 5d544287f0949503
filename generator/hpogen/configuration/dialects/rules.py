"""Rules of dialects: each reads the value at one place of the user's file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.dialects.names import METRICS
from hpogen.configuration.dialects.reader import Reader
from hpogen.configuration.yaml_file import Place, dotted, shown
from hpogen.spec.defaults_and_checks import STORAGE_HELP, holds_password

Rule = Callable[[Reader, Place], None]

SAMPLERS = {
    **{name: name for name in ("tpe", "random", "grid", "cmaes", "gp", "nsga2")},
    "nsgaii": "nsga2",
    "motpe": "tpe",
}
PRUNERS = {
    **{name: name for name in ("median", "percentile", "hyperband", "none")},
    "successivehalving": "successive_halving",
    "asha": "successive_halving",
    "nop": "none",
}


def to(*native: str) -> Rule:
    """Return the rule for a key with an equivalent in hpogen's schema."""
    return lambda reader, place: reader.move(place, native)


def label(text: str) -> Rule:
    """Return the rule for a key without effect: a note."""

    def rule(reader: Reader, place: Place) -> None:
        reader.take(place)
        reader.note(place, text)

    return rule


def off(text: str) -> Rule:
    """Return the rule for a key that is valid only if it is false, null or empty."""

    def rule(reader: Reader, place: Place) -> None:
        if not reader.get(place):
            reader.take(place)
            reader.note(place, text)

    return rule


def required(reader: Reader, place: Place) -> None:
    """Refuse a file that lacks a group."""
    reader.refuse(place, f"is missing; the dialect {reader.dialect} needs this group")


def native_group(reader: Reader, place: Place) -> None:
    """Read a group of hpogen's schema, which a file of any dialect may have."""
    for name in reader.keys(place):
        reader.move((*place, name), (*place, name))


def seconds(reader: Reader, place: Place) -> None:
    """Read a timeout in seconds."""
    value = reader.take(place)
    if value is None:
        return
    if type(value) not in (int, float) or not 0 < value < 1e12:
        reader.refuse(place, f"write a number of seconds above 0 (got {shown(repr(value))})")
        return
    reader.put(("study", "timeout_hours"), value / 3600, place)


def seeds(reader: Reader, place: Place) -> None:
    """Read a list of seeds; a single seed is the seed of the study."""
    value = reader.take(place)
    if isinstance(value, list) and len(value) == 1:
        reader.put(("study", "seed"), value[0], (*place, 0))
    elif value:
        reader.put(("study", "seeds"), value, place)
    else:
        reader.note(place, "empty, so study.seed has its default")


def storage(reader: Reader, place: Place) -> None:
    """Read the URL of a storage; refuse a password, which each copy would reveal."""
    if holds_password(reader.get(place)):
        reader.refuse(place, STORAGE_HELP)
    else:
        reader.move(place, ("study", "storage"))


def metric(reader: Reader, place: Place) -> None:
    """Read the metric that the study optimizes."""
    value = reader.take(place)
    if value is not None:
        native_name = METRICS.get(value) if isinstance(value, str) else None
        reader.put(("metric",), native_name or value, place)


def sampler(reader: Reader, place: Place) -> None:
    """Read a sampler: its name, or a mapping of arguments."""
    method(reader, place, "sampler", SAMPLERS)


def pruner(reader: Reader, place: Place) -> None:
    """Read a pruner: its name, or a mapping of arguments that may have the switch `enabled`."""
    if switched_off(reader, place):
        return
    method(reader, place, "pruner", PRUNERS)
    reader.note(
        place,
        "missing arguments have hpogen's defaults, and no trial is pruned before the fraction"
        " prune_from of its schedule",
    )


def default_pruner(reader: Reader, place: Place) -> None:
    """Note the default pruner for a file without one."""
    if "pruner" not in reader.content:
        reader.note(place, "missing; the script uses hpogen's default, the median pruner")


def pruning_with_patience(reader: Reader, place: Place) -> None:
    """Read a pruner with patience and min_delta, which hpogen has as early stopping."""
    if switched_off(reader, place):
        return
    if reader.has((*place, "patience")):
        reader.note((*place, "patience"), "a trial stopped by it is complete, with its best value")
    for name, native in (
        ("patience", ("fixed", "patience")),
        ("min_delta", ("fixed", "min_delta")),
        ("warmup_steps", ("pruner", "n_warmup_steps")),
    ):
        if reader.has((*place, name)):
            reader.move((*place, name), native)
    pruner(reader, place)


def switched_off(reader: Reader, place: Place) -> bool:
    """Read the switch of a pruner; return whether it is off, with all other keys read."""
    here = (*place, "enabled")
    if not reader.has(here):
        return False
    value = reader.take(here)
    if value is True:
        return False
    if value is not False:
        reader.refuse(here, f"write true or false (got {shown(repr(value))})")
        return False
    reader.put(("pruner", "type"), "none", here)
    for name in reader.keys(place):
        reader.take((*place, name))
        reader.note((*place, name), f"ignored, because {dotted(here)} is false")
    return True


def method(reader: Reader, place: Place, native: str, types: Mapping[str, str]) -> None:
    """Read a sampler or pruner: its name, or its type and arguments."""
    if isinstance(reader.get(place), str):
        put_type(reader, place, native, types)
        return
    names = reader.keys(place)
    for name in ("type", "algorithm"):
        if name in names and not put_type(reader, (*place, name), native, types):
            reader.take(place)  # its arguments cannot be checked
            return
    for name in reader.keys(place):
        here = (*place, name)
        reader.move(here, ("study", "seed") if name == "seed" else (native, name))


def put_type(reader: Reader, place: Place, native: str, types: Mapping[str, str]) -> bool:
    """Set the type of a sampler or pruner, in any spelling; return False if it is unknown."""
    value: Any = reader.take(place)
    word = re.sub(r"[\W_]", "", str(value).lower()).removesuffix(native)
    if value is None:
        return True
    if word in types:
        reader.put((native, "type"), types[word], place)
        return True
    hint = did_you_mean(str(value), dict.fromkeys(types.values()))
    reader.refuse(place, f"unknown {native} {shown(repr(value))}; {hint}")
    return False
