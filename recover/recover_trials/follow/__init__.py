"""A study while it runs, from its log alone."""
