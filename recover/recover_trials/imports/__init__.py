"""Files of results, JSON and CSV, that programs leave beside their logs."""
