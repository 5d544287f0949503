"""YAML of a search: reading, validation, schema, and the YAML of other tools."""
