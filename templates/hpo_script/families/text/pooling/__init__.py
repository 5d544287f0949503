"""Pooling of a pretrained encoder; a script holds one."""
