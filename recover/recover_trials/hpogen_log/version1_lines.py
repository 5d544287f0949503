"""Lines and fields that only search scripts of version 1 wrote."""

from __future__ import annotations

import re

RESUMED = "study_resumed"  # a run continues a study of a database
HEADS = {
    RESUMED: re.compile(r"Run (?P<run>\w+) resumed"),
    "note": re.compile(r"Run (?P<run>\w+) note"),
    "trial_retry": re.compile(r"Trial (?P<trial>\d+) retried"),
}
# Attributes and parameters of other programs, and what a pruner saw, in mappings of their own.
OTHERS = "attributes"
OTHER_PARAMS = "trial_params"
REPORTED = "intermediate_values"
# Parameters of the search space that a trial of another space does not have.
OUTSIDE = "outside_space"
