"""The developers' programs."""
