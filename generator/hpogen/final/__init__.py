"""Final scripts: the configurations that a study chose, trained with several seeds."""
