"""A label and a span of each text, from one encoder."""
