"""Regular expressions that are compiled when they are first used: one log needs few of them."""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast

METHODS = ("match", "fullmatch", "search", "finditer", "findall", "sub")


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return a regular expression."""
    return cast("re.Pattern[AnyStr]", Later(text, flags))


class Later:
    """Has the methods of a regular expression once one of them is asked for."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self.text, self.flags = text, flags

    def __getattr__(self, name: str) -> Any:
        if name not in METHODS:
            raise AttributeError(name)
        compiled = re.compile(self.text, self.flags)
        self.__dict__.update({method: getattr(compiled, method) for method in METHODS})
        return self.__dict__[name]
