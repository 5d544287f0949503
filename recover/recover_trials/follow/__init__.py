"""Output while a study runs: on a terminal, in a pipe, into a storage."""
