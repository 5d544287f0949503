"""Messages about invalid values, in words about YAML instead of pydantic's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpogen.configuration.yaml_file import shown

DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
DIGEST_PATTERN = r"^[0-9a-f]{64}$"

MAPPING = "write a mapping, KEY: VALUE"
# By pydantic's type of error; {names} come from its context.
# https://docs.pydantic.dev/latest/errors/validation_errors/
MESSAGES = {
    "bool_type": "write true or false",
    "dict_type": MAPPING,
    "finite_number": "write a finite number",
    "float_type": "write a number",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "write a whole number",
    "int_type": "write a whole number",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "write a list, [VALUE, …]",
    "literal_error": "write {expected}",
    "missing": "is missing",
    "model_attributes_type": MAPPING,
    "model_type": MAPPING,
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "string_type": "write text, in quotes",
    "too_long": "must have at most {max_length} items",
    "too_short": "needs {min_length} or more items",
}
PATTERN_MESSAGES = {
    DATE_PATTERN: "write a date such as 2010-01-04",
    DIGEST_PATTERN: "write 64 hexadecimal digits",
}


def value_message(error: Mapping[str, Any]) -> str:
    """Return the message of one of pydantic's errors, with the value if it is a scalar."""
    template = MESSAGES.get(error["type"])
    if template is None:
        message = error["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
    else:
        context = error.get("ctx", {})
        numbers = {name: f"{n:g}" for name, n in context.items() if isinstance(n, float)}
        message = template.format_map({**context, **numbers})
        message = PATTERN_MESSAGES.get(context.get("pattern"), message)
    value = error["input"]
    hides_value = isinstance(value, (dict, list)) or error["type"] == "unknown_task"
    return message if hides_value else f"{message} (got {shown(repr(value))})"
