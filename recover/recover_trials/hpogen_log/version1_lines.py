"""Lines and fields that only hpogen scripts of version 1 wrote."""

from __future__ import annotations

import re

RESUMED = "study_resumed"  # a run resumes a study of a database
HEADS = {
    RESUMED: re.compile(r"Run (?P<run>\w+) resumed"),
    "note": re.compile(r"Run (?P<run>\w+) note"),
    "trial_retry": re.compile(r"Trial (?P<trial>\d+) retried"),
}
# Fields that hold a mapping: attributes and parameters of trials that other programs added to the
# database, and the values reported to the pruner.
OTHERS = "attributes"
OTHER_PARAMS = "trial_params"
REPORTED = "intermediate_values"
# Names of the parameters with a value outside the search space.
OUTSIDE = "outside_space"
