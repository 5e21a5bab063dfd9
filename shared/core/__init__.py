"""What Keysweep knows and decides: values and pure functions, from the standard library alone.

Nothing here reads, writes, waits or looks at a clock: moments and the environment are arguments.
"""
