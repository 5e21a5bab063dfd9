"""The templates that are deployed, and the rules of their parameters."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent

TENANT_TEMPLATE = "infra/compiled/tenant.json"
"""Compiled, so that whoever has the rights needs nothing but `az`."""

APP_TEMPLATE = "infra/compiled/app.json"


@cache
def parameter_rules() -> Mapping[str, Mapping[str, Any]]:
    """Return the parameters of app.bicep with their types, limits and defaults, by name."""
    rules: Mapping[str, Mapping[str, Any]]
    rules = json.loads((ROOT / APP_TEMPLATE).read_text())["parameters"]
    return rules
