"""hpogen: render standalone hyper-parameter-search scripts."""

__version__ = "0.1.0"
