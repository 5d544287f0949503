"""Lines of hpogen's predecessors and their runners, and the lists that add missing sizes."""
