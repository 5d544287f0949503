"""Byte-level language modelling and GPT."""
