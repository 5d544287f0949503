"""The study NAME.workers in a storage: how workers on several machines share the study NAME.

Its trials are leases and tickets, no results.
"""

from __future__ import annotations

from recover_trials.model import Study

SUFFIX = ".workers"
MARKS = {"renewals", "ticket", "owner"}  # what leases and tickets are known by


def without_leases(studies: list[Study]) -> list[Study]:
    """Return the studies of a storage that hold results."""
    names = {study.name for study in studies}
    return [study for study in studies if not holds_leases(study, names)]


def holds_leases(study: Study, names: set[str]) -> bool:
    """Tell whether nothing was tried in a study of such a name, and it is plain what it is for."""
    shared = study.name.removesuffix(SUFFIX)
    if shared == study.name or any(trial.params or trial.values for trial in study.rows):
        return False
    attributes = {name for trial in study.rows for name in trial.user_attrs}
    return attributes <= MARKS and (shared in names or bool(attributes))
