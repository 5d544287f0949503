"""What logs are wrapped in: compression, encodings, notebooks, and files that are no logs."""
