"""Constants of sections, for the parts to be checked and tested on their own."""

from __future__ import annotations

PAUSE_CELSIUS = 85.0
RESUME_CELSIUS = 80.0
STOP_CELSIUS = 95.0
SWAP_GROWTH_GB = 1.0
LOW_MEMORY = 0.1
FREE_DISK_GB = 1.0
FREE_CHECKPOINTS = 3.0
SLURM_MARGIN = 120
STUDY_NAME = "hpo_2M_h1"
STORAGE: str | None = None
HEARTBEAT_SECONDS = 60
MLFLOW_URI = "sqlite:///mlflow.db"
MLFLOW_EXPERIMENT = "hpogen"
