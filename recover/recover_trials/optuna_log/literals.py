"""Parsers of values that Python printed with `repr`; no text is evaluated as code."""

from __future__ import annotations

import ast
import json
import json.scanner
import math
import re
import warnings
from functools import lru_cache
from typing import Any, cast

WORD = re.compile(
    r'"[^"]*"|\b(?:True|False|None|nan|inf|(?:np|numpy)\.(?:float|int)\d+\(([-+.\de]+)\))(?!\w)'
)
IN_JSON = {"nan": "NaN", "inf": "Infinity", "True": "true", "False": "false", "None": "null"}
BRACKET = re.compile(r"[][(){}'\"]")
QUOTED = {
    "'": re.compile(r"[^'\\]*(?:\\.[^'\\]*)*'"),
    '"': re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"'),
}
COMMA_OR_BRACKET = re.compile(r"[][(){}'\",]")
KEY = re.compile(r"\s*('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")\s*:\s*")
STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
# An item whose value is a string, a number, a name, or a call or tuple of those.
ITEM = re.compile(rf"({STRING}): ({STRING}|[-+.\w]*\([-+.\w, ]*\)|[-+.\w]+)(?:, (?!\Z)|\Z)")
NUMBER_OR_NAME = re.compile(r"[-+.\w]+(?=, |\})")
OBJECT = re.compile(r"[\w.]*([<(])")  # the `repr` of an object up to its bracket
NEXT_RECORD = re.compile(r"\[[A-Z] \d{4}-\d\d-\d\d |\bTrial \d+ (?:fin|pru|fai)|inished trial#")
NUMPY = {"True_": True, "False_": False, "nan": math.nan, "inf": math.inf}
NAMES = {"nan": math.nan, "inf": math.inf, "True": True, "False": False, "None": None}
LONGEST_KNOWN = 200  # characters of a literal whose value is kept
LONGEST_INT = 14_000  # bits; Python refuses to print a longer one
# The scanner without the methods of JSONDecoder, which take a quarter of the time.
scan_json = json.scanner.make_scanner(cast("Any", json.JSONDecoder()))


def parse_mapping(text: str) -> dict[str, Any] | None:
    """Return the dict of a `repr`; None for other texts, and for a key that is not a string."""
    if '"' not in text and "\\" not in text:
        mapping = parse_json(text)
        if isinstance(mapping, dict):
            return mapping
    if items := parse_items(text):
        return items
    value = parse_literal(text)
    named = isinstance(value, dict) and all(isinstance(name, str) for name in value)
    return value if named else None


def parse_items(text: str) -> dict[str, Any] | None:
    """Return the dict of a `repr` without nested lists and dicts; None for other texts.

    It takes a quarter of the time of Python's parser, which reads repeated values only once.
    """
    if text[:1] != "{" or text[-1:] != "}":
        return None
    items: dict[str, Any] = {}
    position, end = 1, len(text) - 1
    while match := ITEM.match(text, position, end):
        name, value = match[1], match[2]
        items[parse_item(name)] = parsed = parse_item(value)
        if parsed is None and value != "None":
            return None
        position = match.end()
    return items if position == end and None not in items else None


def parse_item(text: str) -> Any:
    """Return the value of a number or of another unchangeable literal; None without one."""
    number = whole_json(text) if text[-1].isdigit() and text[0] in "-0123456789" else None
    if number is None:
        return known_literal(text) if len(text) < LONGEST_KNOWN else parse_literal(text)
    return number


def parse_json(text: str) -> Any:
    """Return the value of a `repr` without double quotes and backslashes; None if it is invalid.

    Such a text differs from JSON in its quotes and some words only, and JSON is parsed seventeen
    times faster than Python.
    """
    swapped = text.replace("'", '"')
    value = whole_json(swapped)
    return whole_json(WORD.sub(in_json, swapped)) if value is None else value


def whole_json(text: str) -> Any:
    """Return the value of a JSON text; None if it is invalid."""
    try:
        value, end = scan_json(text, 0)
    except (ValueError, StopIteration, RecursionError):
        return None
    return value if end == len(text) else None


def in_json(match: re.Match[str]) -> str:
    """Return a word as JSON spells it, and a string unchanged."""
    return match[1] or IN_JSON.get(match[0], match[0])


def literal_end(text: str, start: int) -> int | None:
    """Return the end of the literal that begins with a bracket; None if it is cut.

    Brackets inside of strings do not count, for a value may hold any text.
    """
    depth, position = 0, start
    while match := BRACKET.search(text, position):
        position = match.end()
        if quoted := QUOTED.get(match[0]):
            string = quoted.match(text, position)
            if string is None:
                return None
            position = string.end()
            continue
        depth += 1 if match[0] in "{[(" else -1
        if depth == 0:
            return position
    return None


def read_literal(text: str, start: int) -> tuple[Any, int]:
    """Return the literal that begins with a bracket at `start`, and its end; None if it is cut."""
    end = literal_end(text, start)
    if end is None:
        return None, len(text)
    literal = text[start:end]
    return parse_mapping(literal) if literal[0] == "{" else parse_literal(literal), end


def read_params(text: str, start: int) -> tuple[dict[str, Any] | None, dict[str, str], int]:
    """Return the mapping at `start`, the texts of values that are not literals, and its end.

    The mapping is None if it is cut.
    """
    params, end = read_literal(text, start)
    if not isinstance(params, dict) and (separate := separate_items(text, start)):
        return separate
    if isinstance(params, dict) or not text.startswith("{", start) or text[end - 1] != "}":
        return (params if isinstance(params, dict) else None), {}, end
    # The quotes of the next record close those of a cut line, or a value has a bracket too many.
    if NEXT_RECORD.search(text, start, end) or text[end : end + 1] not in ("", ".", " "):
        return None, {}, end
    params, others = {}, {}
    for item in items_of(text[start + 1 : end - 1]):
        key = KEY.match(item)
        name = parse_literal(key[1]) if key else None
        if key is None or name is None:
            return None, {}, end
        value = parse_literal(item[key.end() :])
        if value is None and item[key.end() :].strip() != "None":
            others[name] = " ".join(item[key.end() :].split())
        else:
            params[name] = value
    return (params, others, end) if params or others else (None, {}, end)


def separate_items(text: str, start: int) -> tuple[dict[str, Any], dict[str, str], int] | None:
    """Return the result of `read_params` if each value ends with certainty; None otherwise.

    A value that is not a literal, such as `<Foo: it's>`, may hold a quotation mark without its
    pair. It ends where its first bracket closes, if a key or the end of the mapping follows.
    """
    params: dict[str, Any] = {}
    others: dict[str, str] = {}
    position = start + 1
    while key := KEY.match(text, position):
        name, end = parse_literal(key[1]), value_end(text, key.end())
        value = text[key.end() : end]
        if name is None or end is None or NEXT_RECORD.search(value):
            return None
        parsed = parse_literal(value)
        if parsed is None and value != "None":
            others[name] = " ".join(value.split())
        else:
            params[name] = parsed
        if text[end] == "}":
            closed = text[end + 1 : end + 2] in ("", ".", " ")
            return (params, others, end + 1) if closed else None
        position = end + len(", ")
    return None


def value_end(text: str, start: int) -> int | None:
    """Return the end of a value that a key or the end of the mapping follows; None without one."""
    end = None
    if match := NUMBER_OR_NAME.match(text, start):
        return match.end()
    if quoted := QUOTED.get(text[start : start + 1]):
        string = quoted.match(text, start + 1)
        end = string.end() if string else None
    elif text.startswith(("[", "(", "{"), start):
        end = literal_end(text, start)
    elif match := OBJECT.match(text, start):
        end = bracket_end(text, match.start(1))
    followed = end is not None and (
        text.startswith("}", end) or (text.startswith(", ", end) and KEY.match(text, end + 2))
    )
    return end if followed else None


def bracket_end(text: str, start: int) -> int | None:
    """Return the end of a bracket, counting only brackets of its kind, also between quotes."""
    pair = text[start] + {"<": ">", "(": ")"}[text[start]]
    depth = 0
    for match in re.finditer(rf"[{pair}]", text[start:]):
        depth += 1 if match[0] == pair[0] else -1
        if depth == 0:
            return start + match.end()
    return None


def items_of(text: str) -> list[str]:
    """Return the items of the text within the braces of a dict; each begins with its key.

    A comma in a value that is not a literal, such as `<Point 1, 2>`, does not end an item.
    """
    items, depth, position, begin = [""], 0, 0, 0
    while match := COMMA_OR_BRACKET.search(text, position):
        position = match.end()
        if quoted := QUOTED.get(match[0]):
            string = quoted.match(text, position)
            position = string.end() if string else len(text)
        elif match[0] == ",":
            if depth == 0 and KEY.match(text, position):
                items[-1] = text[begin : position - 1]
                items.append("")
                begin = position
        else:
            depth += 1 if match[0] in "{[(" else -1
    items[-1] = text[begin:]
    return items


def parse_literal(text: str) -> Any:
    """Return the value of a Python literal, of nan, inf or np.float64(x); otherwise None."""
    try:
        with warnings.catch_warnings():  # Python warns of syntax that `repr` does not produce
            warnings.simplefilter("ignore")
            return literal_value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None


known_literal = lru_cache(1024)(parse_literal)


def literal_value(node: ast.expr) -> Any:
    """Return the value of a node. Raises ValueError if it is not a literal."""
    if isinstance(node, ast.Constant):
        return constant(node.value)
    if isinstance(node, ast.Name) and node.id in NAMES:
        return NAMES[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -literal_value(node.operand)
    if isinstance(node, ast.Tuple):
        return tuple(literal_value(item) for item in node.elts)
    if isinstance(node, ast.List):
        return [literal_value(item) for item in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        pairs = zip(node.keys, node.values, strict=True)
        return {literal_value(key): literal_value(value) for key, value in pairs if key}
    return numpy_value(node)


def numpy_value(node: ast.expr) -> Any:
    """Return the value of `np.True_` or `np.float64(x)`. Raises ValueError for other nodes."""
    if isinstance(node, ast.Attribute) and node.attr in NUMPY and is_numpy(node.value):
        return NUMPY[node.attr]
    if isinstance(node, ast.Call) and is_numpy_scalar(node):
        return literal_value(node.args[0])
    raise ValueError(ast.dump(node))


def constant(value: Any) -> Any:
    """Return a constant. Raises ValueError for `...`, and for an integer too long to print."""
    if value is ...:
        raise ValueError(value)
    if isinstance(value, int) and value.bit_length() > LONGEST_INT:
        raise ValueError(value.bit_length())
    return value


def is_numpy(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("np", "numpy")


def is_numpy_scalar(node: ast.Call) -> bool:
    """Return whether a call is `np.float64(x)`, not `np.longdouble('0.1')`, which is no text."""
    if len(node.args) != 1 or node.keywords or not isinstance(node.func, ast.Attribute):
        return False
    argument = node.args[0]
    is_text = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    return is_numpy(node.func.value) and is_text == node.func.attr.startswith("str")
