"""Formats of files: text, compressed text, notebook, journal, SQLite, CSV and JSON."""
