"""Python source of the constants of a script, in the style of the formatter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from hpogen.rendering.inline import WIDTH


class Source(str):
    """Python source, which `literal` returns unchanged."""

    __slots__ = ()


class Underscored(int):
    """A whole number that is written with underscores."""


def dict_rows(table: Mapping[Any, Any], comments: Mapping[Any, str] | None = None) -> Source:
    """Return a dict with one item per line, and the comment of an item behind or above it."""
    lines = []
    for key, value in table.items():
        line = f"    {literal(key)}: {literal(value)},"
        comment = f"# {comments[key]}" if comments else ""
        if comment and len(line) + 2 + len(comment) > WIDTH:
            lines.append(f"    {comment}")
            comment = ""
        lines.append(f"{line}  {comment}".rstrip())
    return bracketed("{}", lines)


def packed_rows(table: Mapping[Any, Any]) -> Source:
    """Return a dict with as many items per line as fit."""
    lines = [""]
    for key, value in table.items():
        item = f" {literal(key)}: {literal(value)},"
        if len(lines[-1]) + len(item) > WIDTH - 3:
            lines.append("")
        lines[-1] += item
    lines = [f"   {line}" for line in lines if line]
    return bracketed("{}", lines, "  # fmt: skip" if len(lines) < len(table) else "")


def packed_dicts(tables: Iterable[Mapping[Any, Any]]) -> Source:
    """Return a list of dicts, each packed into full lines."""
    text = ""
    for table in tables:
        lines = packed_rows(table).removesuffix("  # fmt: skip").split("\n")
        text += "".join(f"    {line}\n" for line in lines).rstrip("\n") + ",\n"
    return Source(f"[\n{text}]  # fmt: skip" if text else "[]")


def list_rows(values: Iterable[Any]) -> Source:
    """Return a list with one item per line."""
    return bracketed("[]", [f"    {literal(value)}," for value in values])


def bracketed(brackets: str, lines: list[str], end: str = "") -> Source:
    """Return lines between two brackets, without line breaks if there are no lines."""
    return Source("\n".join([brackets[0], *lines, brackets[1] + end]) if lines else brackets)


def literal(value: Any) -> str:
    """Return a value as Python source, with text escaped. Raises ValueError for nan and inf."""
    if isinstance(value, Source):
        return value
    if isinstance(value, Underscored):
        return f"{value:_}"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} has no literal")
    return repr(value)


def quoted(text: str) -> str:
    """Return a string literal in ASCII, with double quotes unless that needs more escapes."""
    # The " in front makes ascii() use ' as the quote, so that each ' is escaped and no " is.
    inner = ascii('"' + text)[2:-1].replace("\\'", "'")
    mark = "'" if inner.count('"') > inner.count("'") else '"'
    return mark + inner.replace(mark, f"\\{mark}") + mark


def constant_line(name: str, value: Any, about: str) -> str:
    """Return an assignment, with a comment behind its first line or, if too long, above it."""
    text = f"{name} = {literal(value)}"
    if len(text) > WIDTH and isinstance(value, list):
        text = f"{name} = {list_rows(value)}"
    if len(text) > WIDTH and isinstance(value, dict):
        text = f"{name} = {dict_rows(value)}"
    if not about:
        return text
    first, *rest = text.split("\n")
    if rest:
        return "\n".join([f"{first}  # {about}", *rest])
    if len(text) + 4 + len(about) > WIDTH:
        return f"# {about}\n{text}"
    return f"{text}  # {about}"
