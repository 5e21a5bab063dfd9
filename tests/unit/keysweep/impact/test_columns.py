"""Verdicts beside a scan, an explanation and the plan of a sweep: only where somebody asks."""

import csv
import io
import json

import pytest

from keysweep.explain import explain
from keysweep.scan import Request, scan
from keysweep.sweep import Request as Sweep
from keysweep.sweep import sweep
from shared.core.errors import NoRole
from tests.support.builders import TAG, an_account
from tests.support.fake_sources import Call, FakeSources
from tests.support.fake_tenant import FakeTenant, an_error
from tests.support.sessions import Person, a_session

KEYED, LIKELY, IDLE = (an_account(name) for name in ("keyed", "likely", "idle"))


def three() -> FakeSources:
    exempt = an_account("exempt", tags={TAG: "true"})
    sources = FakeSources(FakeTenant.of(KEYED, LIKELY, IDLE, exempt))
    sources.calls["keyed"].append(Call(5, 3, "key"))
    sources.logs_since["keyed"] = 90
    sources.calls["likely"].append(Call(5, 3))
    return sources


async def test_a_scan_has_two_columns_more() -> None:
    sources, person = three(), Person()
    session = a_session(sources.tenant, person, sources=sources)
    assert await scan(session, "csv", Request(impact=True)) == 1
    found = {row["name"]: row for row in csv.DictReader(io.StringIO(person.read))}
    assert {name: row["impact"] for name, row in found.items()} == {
        "keyed": "USES_KEYS", "likely": "LIKELY_KEYS", "idle": "IDLE", "exempt": "IDLE",
    }  # fmt: skip
    assert found["keyed"]["last_keyed_call"] == "2026-11-19T09:00:00+00:00"


async def test_the_table_of_a_scan_shows_them() -> None:
    sources, person = three(), Person()
    session = a_session(sources.tenant, person, sources=sources)
    await scan(session, "table", Request(impact=True))
    (line,) = [line for line in person.read.splitlines() if " keyed " in line]
    assert line.split()[:4] == ["DRIFT", "USES_KEYS", "2026-11-19", "09:00"]


async def test_a_scan_that_nobody_asked_asks_nothing_of_its_own() -> None:
    sources, person = three(), Person()
    session = a_session(sources.tenant, person, sources=sources)
    await scan(session, "table")
    assert "USES_KEYS" not in person.read
    assert sources.asked == []


async def test_what_could_not_be_seen_is_said_beside_a_scan() -> None:
    sources, person = three(), Person()
    sources.refusals["log", "idle"] = an_error(NoRole, 403)
    session = a_session(sources.tenant, person, sources=sources)
    await scan(session, "csv", Request(impact=True))
    assert "Not all that bears on these verdicts could be seen" in person.heard


@pytest.mark.parametrize("asked", [True, False])
async def test_the_plan_of_a_sweep_warns_where_somebody_asked(*, asked: bool) -> None:
    sources, person = three(), Person("no")
    session = a_session(sources.tenant, person, sources=sources)
    await sweep(session, "table", Sweep(impact=asked))
    warned = (
        "This would break somebody. Keys of 1 account are in use: keyed. Keys of 1 account are "
        "likely in use: likely."
    )
    assert (warned in person.heard) == asked
    assert bool(sources.asked) == asked
    assert not sources.tenant.writes


async def test_an_explanation_ends_with_who_uses_the_keys() -> None:
    sources, person = three(), Person()
    session = a_session(sources.tenant, person, sources=sources)
    await explain(session, ["keyed"], "table", with_impact=True)
    assert "3 calls with a key" in person.read


async def test_an_explanation_has_it_as_json_too() -> None:
    sources, person = three(), Person()
    session = a_session(sources.tenant, person, sources=sources)
    await explain(session, ["keyed"], "json", with_impact=True)
    assert json.loads(person.read)[0]["impact"]["verdict"] == "USES_KEYS"
    plain = Person()
    await explain(a_session(sources.tenant, plain, sources=three()), ["keyed"], "json")
    assert "impact" not in json.loads(plain.read)[0]
