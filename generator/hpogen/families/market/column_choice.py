"""The feature columns of a data file: which enter the model, and which are left out or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpogen.configuration.yaml_file import shown
from hpogen.families.market.data.problems import Problems, in_yaml
from hpogen.families.market.data.read import MarketFile
from hpogen.families.market.leaking_columns import idle_columns, leaks


class ColumnChoice:
    """The feature columns: those that the user named, or those with information of their own."""

    def __init__(self, file: MarketFile, named: bool, n_train: int) -> None:
        self.file, self.columns = file, file.feature_columns
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.problems = Problems()
        idle = idle_columns(file.values, self.columns, n_train)
        leaking = {n: fault for n, fault in leaks(file.values, self.columns) if n not in idle}
        if named:
            self.warn_about({**idle, **leaking})
        else:
            self.leave_out(idle, leaking)

    def warn_about(self, faults: Mapping[str, str]) -> None:
        """Warn about columns that the user named; refuse those that never change in training."""
        fix = f"feature_columns: {self.without(faults)}"
        for name, fault in faults.items():
            if fault.startswith("never changes"):
                self.problems.add(f"column {shown(name)} {fault}", fix)
            else:
                self.warnings.append(
                    f"data.feature_columns: {shown(name)} {fault}; leave it out: {fix}"
                )

    def leave_out(self, idle: Mapping[str, str], leaking: Mapping[str, str]) -> None:
        """Leave out columns without information; refuse those with the price of a later row."""
        for name, fault in idle.items():
            self.notes.append(f"column {shown(name)} {fault} and is left out")
        for name, fault in leaking.items():
            self.problems.add(
                f"column {shown(name)} {fault}",
                f"feature_columns: {self.without({**idle, **leaking})}",
            )
        self.columns = [name for name in self.columns if name not in idle]
        if not self.columns:
            self.problems.add("no column is left for the model")

    def without(self, names: Mapping[str, str]) -> str:
        """Return the other columns as a list in YAML."""
        rest: Sequence[str] = [name for name in self.columns if name not in names]
        return f"[{', '.join(map(in_yaml, rest))}]"

    def check_end(self, val_end: str | None) -> None:
        """Refuse an end of the validation split that leaves no rows for the test split."""
        if val_end and val_end >= self.file.dates[-1]:
            self.problems.add(f"no row is left for the test split after val_end {val_end}")
