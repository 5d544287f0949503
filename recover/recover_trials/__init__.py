"""Studies rebuilt from their logs.

from recover_trials import read_trials

recovery = read_trials(["logs/hpo_2M_h1.log"])
for study in recovery.studies:
    print(study.name, study.best)
"""

from recover_trials.read import read_trials
from recover_trials.table import Recovery, Study, Trial

__all__ = ["Recovery", "Study", "Trial", "read_trials"]
