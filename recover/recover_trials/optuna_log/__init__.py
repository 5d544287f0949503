"""Logs of Optuna's own logger: their lines, and which study each line belongs to."""
