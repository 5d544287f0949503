"""Tokens of several bytes, merged as the training texts show."""
