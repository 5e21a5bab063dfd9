"""End to end: real sweeps over TLS against the local Azure, which is the judge."""
