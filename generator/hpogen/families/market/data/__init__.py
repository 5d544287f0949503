"""Reading a data file when rendering: what it holds, or all of its problems."""
