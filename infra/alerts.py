"""The alerts as alerts.bicep loads them: `python -m infra.alerts` writes alerts.json.

They are written in alerts.yaml. Here each query gets the texts that it names: those of readings.py,
which the workbook has too, and the YAML's own `parts`.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from infra import readings

HERE = Path(__file__).parent
FILE = HERE / "alerts.json"
_NAMED = re.compile(r"\{([A-Z_]+)\}")


def written() -> str:
    """Return the text of alerts.json. Raises KeyError for a text that nobody wrote."""
    source = yaml.safe_load((HERE / "alerts.yaml").read_text())
    alerts = [
        {**alert, "query": _whole(alert["query"], source["parts"])} for alert in source["alerts"]
    ]
    return json.dumps({"schedules": source["schedules"], "alerts": alerts}, indent=2) + "\n"


def _whole(query: str, parts: Mapping[str, str]) -> str:
    texts = {**vars(readings), **parts}
    return _NAMED.sub(lambda named: _whole(texts[named[1]].strip(), parts), query)


if __name__ == "__main__":
    FILE.write_text(written())
