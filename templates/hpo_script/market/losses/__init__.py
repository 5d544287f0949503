"""Training losses of a yes-or-no label; a script holds the one it uses."""
