"""Kinds of log lines: a module for each program that writes them."""
