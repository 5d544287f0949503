"""Ways to suggest parameters; a script has one of them."""
