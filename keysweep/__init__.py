"""The operator's command line, on the same parts as the Function.

`__main__` declares the commands and imports nothing heavy. Each command has a module of its own and
works with a `session`: the parts that the Function is made of, and `border`, which is what a person
may do to Azure and the Function never does. The Function's package is shipped without this folder.
"""
