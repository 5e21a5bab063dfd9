"""Tenant and sweeps together: drawn programs, run one request at a time, and judged.

`program` says what can happen, and draws it; `world` makes it happen on a local Azure, where
`driver` lets time pass and requests in; `laws` judges what was recorded there; `planted` are bugs
that the judge has to find, `examples` the programs that found them. `python -m soak` goes on
for as long as you like. `soak.odd` is beside it, for answers that are not what was asked for, and
`soak.line` for what a person types: `hunt` draws for all three, and `planted` says which of them
has to find which bug.

What is deterministic: the tenant, the faults, the order in which requests are let in and every
moment of the clock, in this process, in child processes and across both. What isn't: ids that the
product draws (a sweep's, a request's), of which no decision here depends (`BRAKE=trickle`, whose
order does, is left to its own tests); the telemetry exporter's threads, whose batches arrive when
they do; and which of several equal requests of one sweep (the same path, at the same moment) came
first, where the kernel decides. A frozen process is played by `Wait` in the middle of a sweep.
"""
