"""Judges azd's values by the rules of the template's parameters, before azd sends them."""

import json
import re
from collections.abc import Mapping
from typing import Any

from infra.deploy.placement import VARIABLES, Placement
from infra.deploy.templates import ROOT, parameter_rules

AZD_PARAMETERS = "infra/app.parameters.json"
# The app itself, what names of rules only begin with, and parts of the network.
_NO_OTHER_RESOURCE = ("functionApp", "alerts", "functionSubnet", "endpointSubnet")


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
    return [*problems, *_app_name_problems(environ)]


def _app_name_problems(environ: Mapping[str, str]) -> list[str]:
    """Name resources that are to be called as the Function App is.

    azd looks for the app by its name alone, and takes it only if nothing else in the resource group
    has it (its source at ae35809f: pkg/project/resource_manager.go).
    """
    names = Placement.of_environment(environ).values.get("names", {})
    app = str(names.get("functionApp", "")).lower()
    return [
        f"{VARIABLES['names']} has {name} {value!r}, which functionApp is called too: it must be "
        "another name, since azd finds the app by it"
        for name, value in names.items()
        if app and name not in _NO_OTHER_RESOURCE and str(value).lower() == app
    ]


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
