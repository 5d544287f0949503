"""Specification of a script, made from a configuration file and a command line.

`settings` joins the two, `resolve` fills in the defaults of the family, `spec` is the result.
"""

from hpogen.spec.make import Findings, make_spec
from hpogen.spec.spec import Spec

__all__ = ["Findings", "Spec", "make_spec"]
