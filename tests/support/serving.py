"""What the fixture `serve` gives: it serves a tenant for the length of a test."""

from collections.abc import Callable

from local_azure import LocalAzure

type Serve = Callable[..., LocalAzure]
"""Takes a tenant (one with one subscription if none is given) and the options of LocalAzure."""
