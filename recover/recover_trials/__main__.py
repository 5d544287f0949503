"""`python -m recover_trials`."""

from recover_trials.cli import main

main()
