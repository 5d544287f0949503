"""Following a log while its study runs: on a terminal, in a pipe, into a storage."""
