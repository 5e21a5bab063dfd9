"""Keysweep's deployment: the templates, and what they need beside them."""
