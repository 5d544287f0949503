"""YAML without repeated keys, which the loader would take silently."""

from __future__ import annotations

from typing import Any

import yaml

from recover_trials.errors import UnreadableError


class UniqueKeys(yaml.SafeLoader):
    """The safe loader of YAML, which refuses a key that a mapping has twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len({*map(repr, keys)}) < len(keys):
            raise yaml.YAMLError(f"a key occurs twice at line {node.start_mark.line + 1}")
        made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return made


def load_yaml(text: str) -> Any:
    """Return the document of a text. Raises UnreadableError if it is invalid."""
    try:
        return yaml.load(text, UniqueKeys)  # noqa: S506  # a subclass of the safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableError(f"invalid YAML: {str(error)[:100]}") from None
