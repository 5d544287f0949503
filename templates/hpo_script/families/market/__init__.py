"""Daily market data and PatchTST."""
