"""Logs of hpogen's scripts, read back into trials.

`hpogen_lines` parses a line, verifies its checksum and sets aside lines that a crash cut.
`trials_version1` and `trials_version2` make trials of the lines of a study, also of trials that
were killed and resumed.
"""
