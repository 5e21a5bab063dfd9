"""What Azure landing zones say to a deployment: the definitions and assignments of tests/data."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from tests.support.policy.conditions import Truth, all_of, any_of, holds, negated
from tests.support.policy.expressions import Situation
from tests.support.policy.stored import stored, with_implied
from tests.support.policy.values import Resource
from tools.prose import ROOT

_FOLDER = ROOT / "tests" / "data" / "policies"
COMMON = "common"
"""No landing zone: built-in definitions, each by itself."""


class Verdict(StrEnum):
    """What a definition does to a resource."""

    REFUSED = "refused"
    CHANGED = "changed"
    MENDED = "mended"
    AUDITED = "audited"
    UNCLEAR = "unclear"
    FINE = "fine"


_AGAINST = {
    "deny": Verdict.REFUSED,
    "modify": Verdict.CHANGED,
    "append": Verdict.CHANGED,
    "deployifnotexists": Verdict.MENDED,
    "audit": Verdict.AUDITED,
    "auditifnotexists": Verdict.AUDITED,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict that is not fine, by the name of the definition and what it says of itself."""

    verdict: Verdict
    definition: str
    title: str
    resource: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A resource as it is asked for, and as Azure holds it then."""

    asked: Resource
    kept: Resource

    @classmethod
    def of(cls, resource: Resource) -> "Subject":
        """Fill Azure's defaults in."""
        return cls(resource, stored(resource))


@cache
def _definitions() -> Mapping[str, Mapping[str, Any]]:
    loaded = json.loads((_FOLDER / "definitions.json").read_text())["definitions"]
    return {definition["name"]: definition for definition in loaded}


@cache
def _assignments() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads((_FOLDER / "assignments.json").read_text())
    return loaded


def judged(
    resources: Sequence[Resource], scope: str, *, enforced: bool = False
) -> frozenset[Finding]:
    """Judge a deployment by what is assigned at a scope and at those above it.

    `enforced`: also by those assignments that landing zones leave unenforced.
    """
    deployed = with_implied(resources)
    # What Azure makes by itself is there to be found, and was not asked for.
    subjects = [Subject.of(resource) for resource in deployed[: len(resources)]]
    return frozenset(
        finding
        for assignment in _assigned_at(scope)
        for member in assignment["members"]
        for finding in _findings(
            _definitions()[member["definition"]],
            member["parameters"],
            subjects,
            deployed,
            in_force=enforced or assignment["enforcementMode"] == "Default",
        )
    )


def _assigned_at(scope: str | None) -> Iterator[Mapping[str, Any]]:
    while scope is not None:
        for assignment in _assignments()["assignments"]:
            if scope in assignment["scopes"]:
                yield assignment
        scope = _assignments()["scopes"][scope]


def _findings(
    definition: Mapping[str, Any],
    given: Mapping[str, Any],
    subjects: Sequence[Subject],
    deployed: Sequence[Resource],
    *,
    in_force: bool,
) -> Iterator[Finding]:
    for subject in subjects:
        verdict = judge(definition, given, subject, deployed)
        if not in_force and verdict in {Verdict.REFUSED, Verdict.CHANGED, Verdict.MENDED}:
            verdict = Verdict.AUDITED
        if verdict is not Verdict.FINE:
            yield Finding(
                verdict, definition["name"], definition["displayName"], subject.asked["type"]
            )


def judge(
    definition: Mapping[str, Any],
    given: Mapping[str, Any],
    subject: Subject,
    deployed: Sequence[Resource],
) -> Verdict:
    """Judge one resource by one definition with the parameters of its assignment."""
    declared = definition["parameters"].items()
    defaults = {name: rule["defaultValue"] for name, rule in declared if "defaultValue" in rule}
    parameters = {name.lower(): value for name, value in {**defaults, **given}.items()}
    rule = definition["policyRule"]
    asked = Situation(subject.asked, parameters, deployed)
    kept = Situation(subject.kept, parameters, deployed)
    effect = str(asked.value(rule["then"]["effect"])).lower()
    if effect not in _AGAINST or not _sees(definition["mode"], subject.asked):
        return Verdict.FINE
    against = _AGAINST[effect]
    if against in {Verdict.REFUSED, Verdict.CHANGED}:
        now = holds(rule["if"], asked)
        # What is not in the request, and a default of Azure's, is only reported.
        later = _verdict(holds(rule["if"], kept) is True, Verdict.AUDITED)
        return later if now is False else _verdict(now, against)
    wrong = holds(rule["if"], kept)
    if effect.endswith("ifnotexists") and wrong is not False:
        wrong = all_of([wrong, negated(_is_there(rule["then"]["details"], kept))])
    return _verdict(wrong, against)


def _verdict(truth: Truth, against: Verdict) -> Verdict:
    return Verdict.UNCLEAR if truth is None else against if truth else Verdict.FINE


def _sees(mode: str, resource: Resource) -> bool:
    """Whether a definition of this mode looks at a resource: Indexed wants a location and tags."""
    apart = re.search(r"/resourcegroups$|^microsoft\.authorization/", resource["type"].lower())
    return mode == "All" or (mode == "Indexed" and "location" in resource and not apart)


_CHILDREN_OF_ANY = ("microsoft.insights/diagnosticsettings", "microsoft.authorization/locks")


def _is_there(details: Mapping[str, Any], situation: Situation) -> Truth:
    """Whether what an IfNotExists effect asks for is there; elsewhere in the group, who knows."""
    kind, own = details["type"].lower(), situation.resource["type"].lower()
    where = str(situation.resource["id"]).lower()
    is_close = kind == own or kind.startswith((f"{own}/", *_CHILDREN_OF_ANY))
    below = where if is_close else where.partition("/providers/")[0]
    name = situation.value(details["name"]).lower() if "name" in details and kind != own else None
    condition = details.get("existenceCondition", {"allOf": []})
    found = [
        holds(condition, Situation(stored(other), situation.parameters, situation.deployed))
        for other in situation.deployed
        if other["type"].lower() == kind
        and str(other["id"]).lower().startswith(below)
        and (name is None or _last(str(other["name"])) == _last(name))
    ]
    return any_of(found if is_close else [*found, None])


def _last(name: str) -> str:
    return name.lower().rpartition("/")[2]
