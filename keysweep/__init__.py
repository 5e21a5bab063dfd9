"""The operator's command line, on the same parts as the Function.

`__main__` declares the commands and imports nothing heavy; each command has a module of its own,
which a `session` hands real parts. `operator` and `gateway` are its border: what a person may do
to Azure and the Function never does. The Function's package is shipped without this folder.
"""
