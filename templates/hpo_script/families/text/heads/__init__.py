"""Heads of the text classifier; a script holds one."""
