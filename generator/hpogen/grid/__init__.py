"""Budgets and the architectures within one."""
