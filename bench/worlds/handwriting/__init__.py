"""Printed digits by us, and handwritten ones of public sets: the parts of the world ``digits``."""
