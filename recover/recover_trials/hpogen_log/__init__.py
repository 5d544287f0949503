"""Logs of hpogen's scripts: their lines, and the fold of those lines into studies.

`hpogen_lines` parses a line and verifies its checksum. `fold_version1` and `fold_version2` fold
the lines of a study into trials, among them trials that were killed and resumed.
"""
