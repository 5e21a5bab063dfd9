"""Accounts of a report as SARIF 2.1.0, as code scanning takes it. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from keysweep.advice import gap_in_words
from keysweep.documents import Row
from shared import __version__
from shared.core.model import Result
from shared.core.report import SweepReport

# What SARIF takes for a link in a message, `[text](address)`, and how that is escaped.
_BRACKET = re.compile(r"(\\*)([\[\]])")
_RULES = (
    (
        *("keys-on", "KeysOn", "error", "7.0"),
        "An Azure OpenAI account accepts API keys.",
        (
            "Move its clients to Entra ID and turn local authentication off, "
            "or let it keep its keys for a while (`keysweep exempt`)."
        ),
    ),
    (
        *("keys-held", "KeysHeld", "warning", "5.0"),
        "An account accepts API keys, and Keysweep deliberately leaves it alone.",
        (
            "The finding says why: mostly a tag that can't be read. Mend that; until then no sweep "
            "changes the account."
        ),
    ),
    (
        *("keys-exempt", "KeysExempt", "note", "3.0"),
        "An account accepts API keys, and a tag exempts it.",
        "Nothing is to be done before the exemption ends (`keysweep exempt --list`).",
    ),
    (
        *("not-seen", "NotSeen", "error", "5.0"),
        "Something in scope could not be read.",
        "What can't be read may hold accounts with keys on: give the role that is missing.",
    ),
)
_RULE_OF = {"DRIFT": 0, "HELD": 1, "EXEMPT": 2}
# What is fixed, or not there any more, is no finding.
_NO_FINDING = frozenset(
    (Result.DISABLED, Result.ALREADY_OFF, Result.GONE, Result.NOW_EXEMPT, Result.OUT_OF_SCOPE)
)


def as_sarif(report: SweepReport, found: Sequence[Row]) -> str:
    """Write one result for each account with keys on, and for each gap.

    A result's file is the resource id as a path: code scanning insists on one.
    """
    results = [
        _result(_RULE_OF[row.verdict], row.id, f"{row.name}: {row.reason}", _owner_of(row))
        for row in found
        if row.verdict in _RULE_OF and row.result not in _NO_FINDING
    ]
    results += [
        _result(3, f"/gaps/{gap.kind}/{gap.name}", gap_in_words(gap))
        for gap in report.inventory.gaps
    ]
    rules = [
        {
            "id": rule,
            "name": name,
            "shortDescription": {"text": text},
            "fullDescription": {"text": text},
            "help": {"text": advice},
            "defaultConfiguration": {"level": level},
            "properties": {"tags": ["security"], "security-severity": severity},
        }
        for rule, name, level, severity, text, advice in _RULES
    ]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "keysweep", "version": __version__, "rules": rules}},
                "automationDetails": {"id": f"keysweep/{report.sweep_id}"},
                "invocations": [
                    {
                        "executionSuccessful": report.whole,
                        "startTimeUtc": f"{report.started:%Y-%m-%dT%H:%M:%SZ}",
                    }
                ],
                "results": results,
            }
        ],
    }
    return json.dumps(log, indent=2, ensure_ascii=True)


def _owner_of(row: Row) -> dict[str, str]:
    return {"owner": row.owner, "ownerFrom": row.owner_from} if row.owner else {}


def _result(
    rule: int, resource: str, text: str, properties: Mapping[str, str] | None = None
) -> dict[str, Any]:
    rule_id, _, level, *_ = _RULES[rule]
    fingerprint = hashlib.sha256(resource.lower().encode("utf-8", "surrogatepass")).hexdigest()
    return {
        "ruleId": rule_id,
        "ruleIndex": rule,
        "level": level,
        "message": {"text": _plain_message(text)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(resource.lstrip("/"), errors="replace")},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": resource, "kind": "resource"}],
            }
        ],
        # The one fingerprint that code scanning looks at; there is no line here to make it from.
        "partialFingerprints": {"primaryLocationLineHash": f"{fingerprint[:16]}:1"},
        **({"properties": dict(properties)} if properties else {}),
    }


def _plain_message(text: str) -> str:
    """Escape what SARIF would take for a placeholder or a link (2.1.0, 3.11.5 and 3.11.6)."""
    braced = text.replace("{", "{{").replace("}", "}}")
    return _BRACKET.sub(lambda match: f"{match[1] * 2}\\{match[2]}", braced)
