"""With which exit codes `keysweep` ends. Of the first three the highest that applies counts."""

FINE = 0
"""Compliant, or all that was asked for is done."""
REMAINS = 1
"""Drift, holds or something else remains."""
NOT_WHOLE = 2
"""Something could not be read, done or told."""
USAGE = 64
"""The command line or the settings are wrong; nothing was changed."""
BUG = 70
"""A bug of ours."""
STOPPED = 130
"""Stopped by Ctrl-C before anything was begun."""
