"""Queries are written as people read them, and deployed as short as they can be.

Azure's own check of workbooks warns above half a million characters.
"""

import re

_STATEMENT = re.compile(r"^let (?P<name>\w+) = .*?;$\n", re.MULTILINE | re.DOTALL)


def shortened(kql: str) -> str:
    """Return a query without its indentation, and without the definitions that it does not use."""
    lines = "\n".join(line.strip() for line in kql.strip().splitlines() if line.strip())
    statements = list(_STATEMENT.finditer(lines))
    used = lines[statements[-1].end() :] if statements else lines
    for statement in reversed(statements):
        if re.search(rf"\b{statement['name']}\b", used):
            used = statement[0] + used
    return used
