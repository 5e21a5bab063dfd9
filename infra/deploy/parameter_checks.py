"""Judges azd's values by the rules of the template's parameters, before azd sends them."""

import json
import re
from collections.abc import Mapping
from typing import Any

from infra.deploy.templates import ROOT, parameter_rules

AZD_PARAMETERS = "infra/app.parameters.json"


def parameter_problems(environ: Mapping[str, str]) -> list[str]:
    """Judge the values that azd would send by the rules of app.bicep's parameters.

    Azure Resource Manager has the same rules, and would judge by them when azd has begun.
    """
    rules = parameter_rules()
    parameters = json.loads((ROOT / AZD_PARAMETERS).read_text())["parameters"]
    problems = []
    for name, parameter in parameters.items():
        variable = parameter["value"].strip("${}")
        # What is not set at all azd leaves out, and the default counts.
        if variable in environ and (allowed := _refused(environ[variable], rules[name])):
            problems.append(f"{variable} is {environ[variable]!r}: it must be {allowed}")
    return problems


def _refused(value: str, rule: Mapping[str, Any]) -> str | None:
    """Return what is allowed instead of a value, None if it is allowed itself."""
    if not value.strip():
        # azd sends it as it is, which is no number and takes the place of a default. Without
        # either, azd asks.
        kept = rule.get("defaultValue", "") != "" or rule.get("nullable")
        return "left out of .azure/*/.env, or have a value" if kept else None
    match rule:
        case {"allowedValues": [*allowed]}:
            names = [str(choice) for choice in allowed]
            known = value.lower() in {choice.lower() for choice in names}
            return None if known else f"one of {', '.join(names)}"
        case {"type": "int"}:
            low, high = rule.get("minValue", float("-inf")), rule.get("maxValue", float("inf"))
            if re.fullmatch(r"-?[0-9]+", value) and low <= int(value) <= high:
                return None
            return "a whole number" + "".join(
                f", at {word} {rule[limit]}"
                for word, limit in (("least", "minValue"), ("most", "maxValue"))
                if limit in rule
            )
        case {"type": "object"}:
            return None if _is_object(value) else "an object in JSON"
        case {"type": "bool"}:
            return None if value.lower() in {"true", "false"} else "true or false"
        case _:
            low, high = rule.get("minLength", 0), rule.get("maxLength", float("inf"))
            return None if low <= len(value) <= high else f"{low} to {high} characters long"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
