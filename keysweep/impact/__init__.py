"""Who still uses an account's keys, and what breaks when they go off: read, judged and told.

`sources` is the port by which Azure is asked, and it has reads alone. Each kind of evidence has a
module that says what is asked and what an answer means, without asking: `metrics`, `request_log`,
`diagnostics`, `activity`, `connections`, `roles`. `gathering` asks for all of it; `verdict` judges,
and `next_steps` says what to do. These are pure but for `gathering` and the commands.
"""
