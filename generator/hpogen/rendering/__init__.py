"""Joining of parts and constants to a script, and the files that a render writes."""
