"""The tenant and its rules. No HTTP in here."""
