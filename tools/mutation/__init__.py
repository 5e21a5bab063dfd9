"""Mutants: the core is changed in one small place at a time, and a fast test has to notice.

`make mutation` runs it. mutmut 3.8 and cosmic-ray 8.7 were tried: mutmut changes neither
properties nor constants of a module, which our reports, settings and events are made of;
cosmic-ray removes no statement, changes no text, starts a whole pytest for each mutant, and makes
bit operations of every `+`. Neither compares survivors with a list that gives reasons.

Laid out as it runs: `changes` and `mutants` (what is changed, pure), `coverage` and `baseline`
(which test runs which line), `trial` (one mutant in a forked process), `swapped` and `anew` (the
quick way to try one, and the way for those that an import runs), `survivors` (those that are known,
with reasons).
"""
