"""`python -m hpogen`."""

from hpogen.cli import main

main()
