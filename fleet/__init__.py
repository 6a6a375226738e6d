"""The composition root and the operator's command: what the parts must not know of one another meets here."""
