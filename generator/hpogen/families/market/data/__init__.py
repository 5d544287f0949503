"""Readers of a data file at render time: its rows and formats, or all of its problems."""
