"""Logs of training runs that no search tool wrote: one trial per run."""
