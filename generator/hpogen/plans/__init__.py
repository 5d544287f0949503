"""Plans: matrices of scripts in one YAML file."""
