"""Azure Policy's conditions and expressions, as its documentation describes them."""

from typing import Any

import pytest

from tests.support.policy.conditions import Truth, holds
from tests.support.policy.expressions import Situation
from tests.support.policy.landing_zones import Subject, Verdict, judge
from tests.support.policy.values import UNRESOLVED

KIND = "Microsoft.Test/things"
THING = {
    "id": "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg/providers/"
    "Microsoft.Test/things/one",
    "type": KIND,
    "name": "one",
    "location": "westeurope",
    "tags": {"CostCenter": "1234"},
    "sku": {"name": "Small"},
    "properties": {
        "open": True,
        "port": "80",
        "later": "[reference('x').y]",
        "rules": [
            {"properties": {"access": "Allow", "ports": ["22", "443"]}},
            {"properties": {"access": "Deny", "ports": []}},
        ],
        "none": [],
    },
}
SITUATION = Situation(THING, {"allowed": ["Small", "Large"], "limit": 5})


def condition(operator: str, expected: Any, field: str) -> dict[str, Any]:
    return {"field": field, operator: expected}


@pytest.mark.parametrize(
    ("operator", "expected", "field", "truth"),
    [
        ("equals", "microsoft.test/THINGS", "type", True),
        ("equals", "true", f"{KIND}/open", True),
        ("equals", 80, f"{KIND}/port", True),
        ("notEquals", "x", f"{KIND}/absent", True),
        ("exists", "false", f"{KIND}/absent", True),
        ("exists", False, f"{KIND}/open", False),
        ("in", "[parameters('allowed')]", f"{KIND}/sku.name", True),
        ("notIn", ["small"], f"{KIND}/sku.name", False),
        ("like", "O*", "name", True),
        ("like", "*", f"{KIND}/absent", False),
        ("contains", "EUR", "location", True),
        ("greater", 79, f"{KIND}/port", True),
        ("less", 100, f"{KIND}/absent", False),
        ("lessOrEquals", 80, f"{KIND}/port", True),
        ("greaterOrEquals", 81, f"{KIND}/port", False),
        ("equals", "1234", "tags['costcenter']", True),
        ("exists", True, "[concat('tags[', 'CostCenter', ']')]", True),
        # An alias of another type names nothing.
        ("exists", True, "Microsoft.Other/things/open", False),
        # What only the deployment knows.
        ("equals", "x", f"{KIND}/later", None),
        ("notEquals", "x", f"{KIND}/later", None),
        # Every element has to; of an empty array all do, of a missing one none.
        ("equals", "Allow", f"{KIND}/rules[*].access", False),
        ("notEquals", "Audit", f"{KIND}/rules[*].access", True),
        ("equals", "x", f"{KIND}/none[*]", True),
        ("equals", "x", f"{KIND}/absent[*]", False),
        ("exists", True, f"{KIND}/rules[*].ports[*]", True),
    ],
)
def test_a_condition_on_a_field(operator: str, expected: Any, field: str, truth: Truth) -> None:
    assert holds(condition(operator, expected, field), SITUATION) is truth


@pytest.mark.parametrize(
    ("logic", "truth"),
    [
        ({"allOf": ["true", "unclear"]}, None),
        ({"allOf": ["false", "unclear"]}, False),
        ({"anyOf": ["true", "unclear"]}, True),
        ({"anyof": ["false", "unclear"]}, None),
        ({"not": "unclear"}, None),
        ({"not": "false"}, True),
    ],
)
def test_what_can_not_be_told_goes_up_as_it_should(logic: dict[str, Any], truth: Truth) -> None:
    parts = {
        "true": condition("exists", "true", "name"),
        "false": condition("exists", "false", "name"),
        "unclear": condition("equals", "x", f"{KIND}/later"),
    }
    ((name, inner),) = logic.items()
    made = parts[inner] if isinstance(inner, str) else [parts[part] for part in inner]
    assert holds({name: made}, SITUATION) is truth


def test_a_count_counts_the_elements_that_meet_its_condition() -> None:
    where = condition("equals", "allow", f"{KIND}/rules[*].access")
    count = {"count": {"field": f"{KIND}/rules[*]", "where": where}, "equals": 1}
    assert holds(count, SITUATION) is True


def test_a_count_within_a_count_sees_both_elements() -> None:
    inner = {
        "count": {
            "field": f"{KIND}/rules[*].ports[*]",
            "where": condition("equals", "22", f"{KIND}/rules[*].ports[*]"),
        },
        "greater": 0,
    }
    count = {"count": {"field": f"{KIND}/rules[*]", "where": inner}, "equals": 1}
    assert holds(count, SITUATION) is True


def test_a_count_of_given_values_has_each_as_the_current_one() -> None:
    where = {"value": "[current('size')]", "equals": f"[field('{KIND}/sku.name')]"}
    values = {"value": "[parameters('allowed')]", "name": "size", "where": where}
    assert holds({"count": values, "equals": 1}, SITUATION) is True


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("plain", "plain"),
        ("[[plain]", "[plain]"),
        ("[concat('it''s ', field('name'))]", "it's one"),
        ("[split(field('id'), '/')[4]]", "rg"),
        ("[first(split(field('id'), '/rg'))]", THING["id"].split("/rg")[0]),  # type: ignore[attr-defined]
        ("[if(empty(field('tags')), 'no', 'yes')]", "yes"),
        ("[length(parameters('allowed'))]", 2),
        ("[subscription().id]", "/subscriptions/22222222-2222-2222-2222-222222222222"),
        ("[parameters('of the company')]", UNRESOLVED),
        ("[resourceGroup().location]", UNRESOLVED),
        ("[split(field('name'), '/')[7]]", UNRESOLVED),
        ("[unheardOf('x')]", UNRESOLVED),
    ],
)
def test_an_expression_comes_to_its_value(expression: str, value: Any) -> None:
    assert SITUATION.value(expression) == value


@pytest.mark.parametrize(
    ("effect", "mode", "verdict"),
    [
        ("Deny", "Indexed", Verdict.REFUSED),
        ("modify", "All", Verdict.CHANGED),
        ("audit", "All", Verdict.AUDITED),
        ("disabled", "All", Verdict.FINE),
        ("deny", "Microsoft.KeyVault.Data", Verdict.FINE),
    ],
)
def test_an_effect_has_its_verdict(effect: str, mode: str, verdict: Verdict) -> None:
    definition = {
        "mode": mode,
        "parameters": {"effect": {"type": "String", "defaultValue": effect}},
        "policyRule": {
            "if": condition("equals", KIND, "type"),
            "then": {"effect": "[parameters('effect')]"},
        },
    }
    assert judge(definition, {}, Subject.of(THING), [THING]) is verdict


@pytest.mark.parametrize(
    ("status", "verdict"), [("Approved", Verdict.FINE), ("Pending", Verdict.AUDITED)]
)
def test_what_has_to_be_there_is_looked_for_below_the_resource(
    status: str, verdict: Verdict
) -> None:
    other = f"{KIND}/connections"
    definition = {
        "mode": "Indexed",
        "parameters": {},
        "policyRule": {
            "if": condition("equals", KIND, "type"),
            "then": {
                "effect": "auditIfNotExists",
                "details": {
                    "type": other,
                    "existenceCondition": condition("equals", "Approved", f"{other}/status"),
                },
            },
        },
    }
    below = {
        "id": f"{THING['id']}/connections/a",
        "type": other,
        "name": "a",
        "properties": {"status": status},
    }
    assert judge(definition, {}, Subject.of(THING), [THING, below]) is verdict
