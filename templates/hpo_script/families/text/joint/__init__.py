"""A label and a span of each text, from two encoders."""
