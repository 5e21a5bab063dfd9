"""A person on the command line, a colleague and the timer, on one tenant: drawn, run and judged.

`program` says what can happen, and draws it; `world` makes it happen on a local Azure: the person's
commands run as they do in a terminal, in this process; `laws` judges, from what the local Azure
took and from the records on disk. `examples` are what found the planted bugs of `soak`, and
what was found in the product.

Beside the soak, whose sweeps are the Function's and run together request by request: here one
command runs at a time, and what happens meanwhile happens at a request or at the question.
`python -m soak --line` goes on for as long as you like.
"""
