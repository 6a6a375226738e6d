"""The composition root and the operator's command: everything the parts must not know of one another meets here."""
