"""From what lines say to studies: no input or output here."""
