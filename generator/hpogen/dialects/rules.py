"""What becomes of a key: each rule reads the value at one place of the user's file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hpogen.aliases import did_you_mean
from hpogen.dialects.names import METRICS
from hpogen.dialects.reader import Reader, dotted
from hpogen.spec.resolve import holds_password
from hpogen.yaml_file import Place, shown

Rule = Callable[[Reader, Place], None]

SAMPLERS = {name: name for name in ("tpe", "random", "grid", "cmaes", "gp")}
PRUNERS = {
    **{name: name for name in ("median", "percentile", "hyperband", "none")},
    "successivehalving": "successive_halving",
    "asha": "successive_halving",
    "nop": "none",
}
SEVERAL_OBJECTIVES = ("nsga", "motpe")


def to(*native: str) -> Rule:
    """Return the rule for a key with the same meaning at a place of hpogen's schema."""
    return lambda reader, place: reader.move(place, native)


def label(text: str) -> Rule:
    """Return the rule for a key that changes nothing in a search."""

    def rule(reader: Reader, place: Place) -> None:
        reader.take(place)
        reader.note(place, text)

    return rule


def off(text: str) -> Rule:
    """Return the rule for a key whose false, null or empty says what every script does."""

    def rule(reader: Reader, place: Place) -> None:
        if not reader.get(place):
            reader.take(place)
            reader.note(place, text)

    return rule


def required(reader: Reader, place: Place) -> None:
    """Refuse a file without a section."""
    reader.refuse(place, f"section is missing; the {reader.dialect} dialect needs it")


def section(reader: Reader, place: Place) -> None:
    """Read a section of hpogen's own schema that stands beside those of the dialect."""
    for name in reader.keys(place):
        reader.move((*place, name), (*place, name))


def seconds(reader: Reader, place: Place) -> None:
    """Read a timeout in seconds."""
    value = reader.take(place)
    if value is None:
        return
    if type(value) not in (int, float) or not 0 < value < 1e12:
        reader.refuse(place, f"{shown(repr(value))} is no number of seconds above 0")
        return
    reader.put(("study", "timeout_hours"), value / 3600, place)


def one_seed(reader: Reader, place: Place) -> None:
    """Read a list of seeds: a single one is the seed of the study."""
    value = reader.get(place)
    if isinstance(value, list) and len(value) == 1:
        reader.take(place)
        reader.put(("study", "seed"), value[0], (*place, 0))
    elif not value:
        reader.take(place)
        reader.note(place, "names no seed; study.seed has its default")


def storage(reader: Reader, place: Place) -> None:
    """Read the address of a database; one with a password would stand in the script."""
    if holds_password(reader.get(place)):
        reader.refuse(place, "holds a password; leave it out and set OPTUNA_STORAGE instead")
    else:
        reader.move(place, ("study", "storage"))


def metric(reader: Reader, place: Place) -> None:
    """Read the metric trials are compared by."""
    value = reader.take(place)
    if value is not None:
        known = METRICS.get(value) if isinstance(value, str) else None
        reader.put(("metric",), known or value, place)


def sampler(reader: Reader, place: Place) -> None:
    """Read a sampler: its name, or a mapping of arguments."""
    method(reader, place, "sampler", SAMPLERS)


def pruner(reader: Reader, place: Place) -> None:
    """Read a pruner: its name, or a mapping of arguments with a switch."""
    if switched_off(reader, place):
        return
    method(reader, place, "pruner", PRUNERS)
    reader.note(
        place,
        "what it leaves unsaid has hpogen's value, and no trial is pruned before the share"
        " prune_from of its schedule",
    )


def default_pruner(reader: Reader, place: Place) -> None:
    """Say what is done where a file says nothing of pruning."""
    if "pruner" not in reader.content:
        reader.note(place, "not said; hpogen's default pruner, the median, is used")


def pruning_with_patience(reader: Reader, place: Place) -> None:
    """Read a pruner whose patience and min_delta stop a trial by its own history."""
    if switched_off(reader, place):
        return
    if reader.has((*place, "patience")):
        reader.note(
            (*place, "patience"), "a trial that it stops counts as complete, with its best value"
        )
    for name, native in (
        ("patience", ("fixed", "patience")),
        ("min_delta", ("fixed", "min_delta")),
        ("warmup_steps", ("pruner", "n_warmup_steps")),
    ):
        if reader.has((*place, name)):
            reader.move((*place, name), native)
    pruner(reader, place)


def switched_off(reader: Reader, place: Place) -> bool:
    """Read the switch of a pruner, and tell whether nothing else is to be read."""
    here = (*place, "enabled")
    if not reader.has(here):
        return False
    value = reader.take(here)
    if value is True:
        return False
    if value is not False:
        reader.refuse(here, f"{shown(repr(value))} is neither true nor false")
        return False
    reader.put(("pruner", "type"), "none", here)
    for name in reader.keys(place):
        reader.take((*place, name))
        reader.note((*place, name), f"without effect while {dotted(here)} is false")
    return True


def method(reader: Reader, place: Place, native: str, known: Mapping[str, str]) -> None:
    """Read a sampler or pruner: its name, or its type and arguments."""
    if isinstance(reader.get(place), str):
        put_type(reader, place, native, known)
        return
    names = reader.keys(place)
    for name in ("type", "algorithm"):
        if name in names and not put_type(reader, (*place, name), native, known):
            reader.take(place)  # the arguments are those of another
            return
    for name in reader.keys(place):
        here = (*place, name)
        reader.move(here, ("study", "seed") if name == "seed" else (native, name))


def put_type(reader: Reader, place: Place, native: str, known: Mapping[str, str]) -> bool:
    """Say which sampler or pruner is used, whatever its spelling. False if it is refused."""
    value: Any = reader.take(place)
    word = re.sub(r"[\W_]", "", str(value).lower()).removesuffix(native)
    if value is None:
        return True
    if word in known:
        reader.put((native, "type"), known[word], place)
        return True
    if word.startswith(SEVERAL_OBJECTIVES):
        reader.refuse(place, f"{shown(str(value))} is for several objectives; a script has one")
    else:
        hint = did_you_mean(str(value), dict.fromkeys(known.values()))
        reader.refuse(place, f"unknown {native} {shown(repr(value))}; {hint}")
    return False
