"""Keysweep: keeps Azure OpenAI keyless.

The way the data goes: environ becomes `Settings`; Azure becomes an `Inventory` (discovery, reads
only); a tag and a day become an `Exemption`; account and exemption become a `Decision`; a drift
that may be written becomes an `Outcome` (remediation: read, decide again, PATCH, read back); all of
it becomes a `SweepReport` and, as it happens, events.

The layers, kept by import-linter: `model`, `exemption`, `decision`, `cross_check`, `events`,
`report`, `settings`, `kinds`, `schedule`, `timespan`, `spelling`, `addresses` and `errors` are pure
and import only the standard library and each other, as `allowance` and `deadline` do, which only
wait; `transport`, `answers`, `refusals`, `pacing`, `arm`, `graph` and `telemetry` are the
border, the only modules that import an SDK; `scope`, `discovery`, `changes`, `remediation` and
`sweep` are the steps, which declare what they need of the border as protocols; `parts` puts real
parts together, the one way for both, and is where credentials for Azure are made; `bootstrap` is
the Function's process, and `cli` the operator's command line, which the Function never imports.
"""

__version__ = "0.1.0"
