"""Lines and fields that only search scripts of version 1 wrote."""

from __future__ import annotations

from hpo_script.machinery.trial_log import COUNTS, IDENTITY, LOG_EVENTS, LogEvent

OTHERS = "attributes"
OTHER_PARAMS = "trial_params"
REPORTED = "intermediate_values"
ALL_EVENTS = {
    **LOG_EVENTS,
    "study_resumed": LogEvent("Run {run} resumed", COUNTS, IDENTITY),
}
