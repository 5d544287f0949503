"""From a configuration file and a command line to the specification of a script.

`settings` joins the two, `resolve` fills in the defaults of the family, `spec` is the result.
"""

from hpogen.spec.make import Findings, make_spec
from hpogen.spec.spec import Spec

__all__ = ["Findings", "Spec", "make_spec"]
