"""hpogen: render standalone hyper-parameter-search scripts."""

__version__ = "0.2.0"
