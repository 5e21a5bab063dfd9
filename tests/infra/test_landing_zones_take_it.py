"""Azure landing zones refuse nothing of a private deployment; what they report has its reason.

Judged by the definitions of tests/data/policies. `corp` and `everything` have a company's subnets,
`private` a network of its own.
"""

import json
import re
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from tests.support.policy.landing_zones import COMMON, Finding, Verdict, judged
from tests.support.snapshots import one
from tools import bicep
from tools.prose import DEPLOYING

SCOPES = ("corp", "online", "platform", "sandbox")
PRIVATE = ("private", "corp", "everything")
STORAGE_IS_PUBLIC = "b2982f36-99f2-4db5-8eff-283140c09693"
FUNCTION_APP_IS_PUBLIC = "969ac98b-88a8-449f-883c-2e9adb123127"
APP_IS_PUBLIC = "1b5ef780-c53c-4a64-87f3-bb9c8c8094ba"
TAG_IS_MISSING = {
    "871b6d14-10aa-478d-b590-94f262ecfa99",
    "96670d01-0a4d-4649-9c89-2d3abc0a5025",
}
SIGNATURES_LAST = "7aa1c9d5-3d7e-4579-8117-d85e99211757"
every_scope = pytest.mark.parametrize("scope", SCOPES)
every_private_case = pytest.mark.parametrize("case", PRIVATE)


@cache
def found(case: str, scope: str) -> frozenset[Finding]:
    """Return what is found in a deployment, judged once."""
    return judged(bicep.resources(case), scope)


def refusing(findings: frozenset[Finding]) -> set[str]:
    """Return the names of the definitions that refuse something."""
    return {finding.definition for finding in findings if finding.verdict is Verdict.REFUSED}


@every_scope
def test_nothing_of_a_private_deployment_is_refused(scope: str) -> None:
    assert refusing(found("private", scope)) == set()


@every_scope
@pytest.mark.parametrize("case", ["corp", "everything"])
def test_nothing_in_the_subnets_of_a_company_is_refused_not_even_where_the_guardrails_are_enforced(
    case: str, scope: str
) -> None:
    assert refusing(judged(bicep.resources(case), scope, enforced=True)) == set()


def test_a_network_of_its_own_is_refused_where_routes_are_enforced() -> None:
    """They lead to a firewall of the company's, so its subnets are the answer."""
    assert refusing(judged(bicep.resources("private"), "corp", enforced=True)) == {
        "Deny-Subnet-Without-Udr"
    }


def test_a_public_deployment_is_refused_at_corp() -> None:
    """Were nothing ever refused, the tests above would say nothing."""
    assert refusing(found("audit", "corp")) == {
        STORAGE_IS_PUBLIC,
        FUNCTION_APP_IS_PUBLIC,
        APP_IS_PUBLIC,
    }


@pytest.mark.parametrize("scope", ["online", "platform", "sandbox"])
def test_a_public_deployment_is_refused_nowhere_else(scope: str) -> None:
    assert refusing(found("audit", scope)) == set()


def planted(kind: str, path: str, value: Any) -> list[dict[str, Any]]:
    """Return a private deployment with one property of one type of resource changed."""
    resources = deepcopy(bicep.resources("private"))
    for resource in resources:
        if resource["type"] == kind:
            *way, last = path.split(".")
            node = resource["properties"]
            for step in way:
                node = node[int(step)] if isinstance(node, list) else node[step]
            node[last] = value
    return resources


@pytest.mark.parametrize(
    ("kind", "path", "value", "definition"),
    [
        (
            "Microsoft.Storage/storageAccounts",
            "publicNetworkAccess",
            "Enabled",
            STORAGE_IS_PUBLIC,
        ),
        ("Microsoft.Web/sites", "publicNetworkAccess", "Enabled", FUNCTION_APP_IS_PUBLIC),
        (
            "Microsoft.Network/virtualNetworks",
            "subnets.0.properties.networkSecurityGroup",
            None,
            "Deny-Subnet-Without-Nsg",
        ),
        # Exactly 1.2: newer is refused, too.
        (
            "Microsoft.Storage/storageAccounts",
            "minimumTlsVersion",
            "TLS1_3",
            "fe83a0eb-a853-422d-aac2-1bffd182c5d0",
        ),
        (
            "Microsoft.Storage/storageAccounts",
            "supportsHttpsTrafficOnly",
            False,
            "404c3081-a854-4457-ae30-26a93ef643f9",
        ),
    ],
)
def test_a_planted_fault_is_refused(kind: str, path: str, value: Any, definition: str) -> None:
    assert definition in refusing(judged(planted(kind, path, value), "corp"))


def test_http_2_keeps_the_app_out_of_a_rule_about_client_certificates() -> None:
    certificates = "ab6a902f-9493-453b-928d-62c30b11b5a6"
    config = one("private", "Microsoft.Web/sites")["properties"]["siteConfig"]
    without = planted("Microsoft.Web/sites", "siteConfig", {**config, "http20Enabled": False})
    assert certificates not in definitions(found("private", "corp"))
    assert certificates in definitions(judged(without, "corp"))


def definitions(findings: frozenset[Finding]) -> set[str]:
    return {finding.definition for finding in findings}


# What companies assign by themselves


@every_private_case
def test_a_tag_that_a_company_requires_is_on_everything(case: str) -> None:
    assert not refusing(found(case, COMMON)) & TAG_IS_MISSING


def test_a_tag_that_is_not_given_is_missed() -> None:
    assert refusing(found("audit", COMMON)) >= TAG_IS_MISSING


@pytest.mark.parametrize("case", bicep.CASES)
def test_signatures_last_no_longer_than_a_week(case: str) -> None:
    assert SIGNATURES_LAST not in refusing(found(case, COMMON))


def test_signatures_without_an_end_are_refused() -> None:
    without = planted("Microsoft.Storage/storageAccounts", "sasPolicy", None)
    assert SIGNATURES_LAST in refusing(judged(without, COMMON))


# What is reported, changed or added


def reasons() -> dict[str, str]:
    """Return the rows of infra/README.md: what a definition is called, and why it stands."""
    section = DEPLOYING.read_text().partition("## In a landing zone")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    return {title: reason for title, reason in rows if title not in {"policy", "---"}}


def reported() -> set[str]:
    """Return what every definition is called that finds something in a private deployment."""
    return {finding.title for case in PRIVATE for scope in SCOPES for finding in found(case, scope)}


def test_everything_that_is_reported_is_listed_with_its_reason() -> None:
    assert reported() - set(reasons()) == set()


def test_nothing_is_listed_that_is_not_reported() -> None:
    assert set(reasons()) - reported() == set()


def test_every_reason_says_something() -> None:
    for title, reason in reasons().items():
        assert len(reason) > 30, title


def test_the_definitions_say_where_they_are_from() -> None:
    folder = bicep.ROOT / "tests" / "data" / "policies"
    loaded = json.loads((folder / "definitions.json").read_text())
    about = (folder / "README.md").read_text()
    for repository, commit in loaded["commits"].items():
        assert repository in about
        assert commit in about
    assert {entry["source"]["repo"] for entry in loaded["definitions"]} <= set(loaded["commits"])
