"""Recovery of studies from their logs.

from recover_trials import read_trials

recovery = read_trials(["logs/hpo_2M_h1.log"])
for study in recovery.studies:
    print(study.name, study.best)
"""

from recover_trials.errors import MissingReaderError, UnreadableError
from recover_trials.legacy.architectures import complete_from_list, read_architectures
from recover_trials.model import Study, Trial
from recover_trials.read import read_trials
from recover_trials.recovery_report import Recovery
from recover_trials.seed_noise import seed_noise

__all__ = [
    "MissingReaderError",
    "Recovery",
    "Study",
    "Trial",
    "UnreadableError",
    "complete_from_list",
    "read_architectures",
    "read_trials",
    "seed_noise",
]
