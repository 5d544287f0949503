"""Parts of a final script: training of chosen configurations, and one look at the test split."""
