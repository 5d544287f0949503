"""Records: plain objects that are compared and shown by their fields.

The module `dataclasses` serves them as its own, but is loaded only if somebody asks: that takes
as long as reading ten megabytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from typing_extensions import Self


class Fields:
    """What `dataclasses` knows a class by, made when it asks."""

    def __get__(self, record: Record | None, kind: type[Record]) -> dict[str, Any]:
        from dataclasses import make_dataclass

        made = vars(make_dataclass(kind.__name__, kind.FIELDS))
        fields: dict[str, Any] = made["__dataclass_fields__"]
        return fields


class Record:
    """An object with fields, in the order in which it is shown."""

    __slots__ = ()
    FIELDS: ClassVar[tuple[str, ...]] = ()
    __dataclass_fields__ = Fields()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.values_of() == other.values_of()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        pairs = zip(self.FIELDS, self.values_of(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"

    def values_of(self) -> tuple[Any, ...]:
        """Return what its fields have."""
        return tuple(getattr(self, name) for name in self.FIELDS)

    def but(self, **changes: Any) -> Self:
        """Return a copy with other values in some fields."""
        same = dict(zip(self.FIELDS, self.values_of(), strict=True))
        return type(self)(**{**same, **changes})

    def fill(self, values: dict[str, Any]) -> None:
        """Set fields by name. Raises TypeError for another name."""
        for name, value in values.items():
            if name not in self.FIELDS:
                raise TypeError(f"{type(self).__name__} has no {name}")
            setattr(self, name, value)
