"""Search spaces and fixed values of the dialects: parameters, architecture axes, constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.dialects.names import IMPLIED_VALUES, NATIVE, native_place
from hpogen.configuration.dialects.reader import MISSING, Reader
from hpogen.configuration.yaml_file import Place, dotted, shown

# {type or distribution: (hpogen's type, log scale; None: the key `log` of the entry decides)}
TYPES: dict[str, tuple[str, bool | None]] = {
    "float": ("float", None),
    "uniform": ("float", False),
    "log_uniform": ("float", True),
    "loguniform": ("float", True),
    "int": ("int", None),
    "categorical": ("categorical", None),
}
FIELDS = {
    "float": ("low", "high", "log"),
    "int": ("low", "high", "step", "log"),
    "categorical": ("choices",),
}
LONGEST_AXIS = 64  # values; a longer range is refused
CANONICAL = list(dict.fromkeys(str(place[-1]) for place in NATIVE.values()))


class Entry(NamedTuple):
    """A search entry in hpogen's terms, and the place of its type."""

    type: str
    fields: dict[str, Any]
    type_place: Place


def search_space(reader: Reader, place: Place) -> None:
    """Read a mapping of names to search entries."""
    for name in names_of(reader, place):
        here = (*place, name)
        native = native_place(name)
        entry = read_entry(reader, here) if native else None
        if native and entry:
            put_entry(reader, here, native, entry)


def value_lists(reader: Reader, place: Place) -> None:
    """Read a mapping of names to lists of values."""
    for name in names_of(reader, place):
        here = (*place, name)
        native = native_place(name)
        if native is None:
            continue
        values = reader.take(here)
        if len(native) == 1 and len(values) == 1:
            reader.note(here, "fixed, because it has one value")
            reader.put(("fixed", *native), values[0], (*here, 0))
        else:
            put_entry(reader, here, native, Entry("categorical", {"choices": values}, here))


def fixed_values(reader: Reader, place: Place) -> None:
    """Read a mapping of names to values."""
    reader.offer(place, CANONICAL)
    for name in reader.keys(place):
        here = (*place, name)
        native = native_place(name)
        value = reader.get(here)
        if native is None:
            take_implied_value(reader, here, value)
        elif len(native) == 1:
            reader.put(("fixed", *native), reader.take(here), here)
        elif native[0] == "architecture":
            put_axis(reader, native, value if isinstance(value, list) else [value], here)
            reader.take(here)
        else:
            reader.move(here, native)


def names_of(reader: Reader, place: Place) -> list[str]:
    """Return the parameters of a search space; an empty one is refused."""
    reader.offer(place, CANONICAL)
    if reader.get(place) in (None, {}):
        reader.refuse(place, "is empty; write at least one parameter")
    return reader.keys(place)


def take_implied_value(reader: Reader, place: Place, value: Any) -> None:
    """Note a value that every script has; leave others, which `finish` refuses."""
    expected, text = IMPLIED_VALUES.get(str(place[-1]), (None, ""))
    if value is not None and type(value) is type(expected) and value == expected:
        reader.take(place)
        reader.note(place, text)


def read_entry(reader: Reader, place: Place) -> Entry | None:
    """Return a search entry, None if it is refused."""
    if not isinstance(reader.get(place), Mapping):
        reader.refuse(
            place,
            "write a search entry such as {type: float, low: 0.1, high: 0.3} or"
            " {type: categorical, choices: [1, 2]}",
        )
        return None
    reader.keys(place)
    resolved = entry_type(reader, place)
    if resolved is None:
        reader.take(place)
        return None
    kind, log, type_place = resolved
    fields = {k: reader.take((*place, k)) for k in FIELDS[kind] if reader.has((*place, k))}
    if log is not None:
        if fields.get("log", log) is not log:
            word = shown(str(reader.get(type_place)))
            message = f"type {word} implies log: {str(log).lower()}; leave log out"
            reader.refuse((*place, "log"), message)
        fields["log"] = log
    return Entry(kind, fields, type_place)


def entry_type(reader: Reader, place: Place) -> tuple[str, bool | None, Place] | None:
    """Return (type, log scale, its place) of a search entry, None if it is refused."""
    places = [(*place, k) for k in ("type", "distribution") if reader.has((*place, k))]
    if not places:
        return inferred_type(reader, place)
    for here in places:
        word = reader.take(here)
        if not isinstance(word, str) or word not in TYPES:
            hint = did_you_mean(str(word), TYPES)
            reader.refuse(here, f"unknown type {shown(repr(word))}; {hint}")
            return None
    if len({TYPES[reader.get(here)] for here in places}) > 1:
        reader.refuse(places[1], "contradicts type; remove one of the two")
        return None
    return (*TYPES[reader.get(places[0])], places[0])


def inferred_type(reader: Reader, place: Place) -> tuple[str, bool | None, Place] | None:
    """Return the result of entry_type for an entry without a type, if only one is possible."""
    entry = reader.get(place)
    bounds = [entry[key] for key in ("low", "high") if key in entry]
    if "choices" in entry and not bounds:
        return "categorical", None, place
    numbers = all(type(bound) in (int, float) for bound in bounds)
    if len(bounds) == 2 and numbers and float in map(type, bounds) and "choices" not in entry:
        return "float", None, place
    reader.refuse(place, "has no type; write type: float, int or categorical")
    return None


def put_entry(reader: Reader, place: Place, native: Place, entry: Entry) -> None:
    """Set a search entry in hpogen's schema: a parameter, an axis, or the value of a constant."""
    if len(native) == 1:
        here = ("search", *native)
        reader.put(here, {"type": entry.type, **entry.fields}, place)
        reader.origin[(*here, "type")] = entry.type_place
        return
    values, origin = listed(reader, place, entry)
    if values is None:
        return
    if native[0] == "architecture":
        put_axis(reader, native, values, origin)
    elif len(values) == 1:
        first = (*origin, 0)
        reader.put(native, values[0], origin if reader.find(first) is MISSING else first)
    else:
        reader.refuse(
            place,
            f"{dotted(native)} is the same for all trials of a script; write one value, and"
            " render a script per value",
        )


def put_axis(reader: Reader, native: Place, values: list[Any], origin: Place) -> None:
    """Set the values of an architecture axis."""
    reader.put(native, values, origin)
    reader.note(
        ("architecture",),
        "the script searches only combinations of these values that are within the budget",
    )


def listed(reader: Reader, place: Place, entry: Entry) -> tuple[list[Any] | None, Place]:
    """Return (values of an entry, their place); the values are None if it is refused."""
    choices_place = (*place, "choices")
    origin = place if reader.find(choices_place) is MISSING else choices_place
    values = entry.fields.get("choices", whole_range(entry))
    if isinstance(values, list) and values:
        return values, origin
    reader.refuse(place, "needs a list of values; write type: categorical with choices")
    return None, origin


def whole_range(entry: Entry) -> list[int] | None:
    """Return the values of a range of at most LONGEST_AXIS whole numbers, None for others."""
    low, high, step = (entry.fields.get(key, 1) for key in ("low", "high", "step"))
    whole = entry.type == "int" and all(type(number) is int for number in (low, high, step))
    if not whole or not {"low", "high"} <= entry.fields.keys() or entry.fields.get("log"):
        return None
    if step < 1 or not low <= high or (high - low) // step >= LONGEST_AXIS:
        return None
    return list(range(low, high + 1, step))
