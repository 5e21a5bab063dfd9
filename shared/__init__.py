"""Keysweep: keeps Azure OpenAI keyless. This package is what the Function ships.

The way the data goes: environ becomes `Settings`; Azure becomes an `Inventory` (discovery, reads
only); a tag and a day become an `Exemption`; account and exemption become a `Decision`; a drift
that may be written becomes an `Outcome` (remediation: read, decide again, PATCH, read back); all of
it becomes a `SweepReport` and, as it happens, events.

The folders are the layers, and import-linter keeps them::

    function_app                the timer
    bootstrap                   the Function's process: one tick after the other
    workspace                   settings become real parts; credentials for Azure are made here
    border/                     ARM, Resource Graph, telemetry: all that imports an SDK
    steps/                      scope, discovery, changes, remediation, sweep: on ports
    core/                       the nouns and the decisions: pure, standard library only

A layer imports those below it, and no other. `keysweep`, the operator's command line, stands beside
this package and puts the same parts together; the Function never imports it.
"""

__version__ = "0.1.0"
