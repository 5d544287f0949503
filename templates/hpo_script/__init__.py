"""The search script in parts: real Python, joined into one file by `hpogen render`.

A part is a module with a docstring (its first line becomes the section's title), imports, and
definitions. Imports of other parts vanish when the parts are joined; imports of the standard
library and of third-party packages are merged.
"""
