"""Logs of Optuna's own logger: their lines, and the assignment of lines to studies."""
