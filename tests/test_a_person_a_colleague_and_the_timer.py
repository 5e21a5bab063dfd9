"""Whatever a person types, and whatever happens meanwhile: the laws of `tests.line.laws` hold."""

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.line import examples
from tests.line.hunt import check, run
from tests.line.laws import judge
from tests.line.program import Program, programs
from tests.soak.hunt import Tally
from tests.soak.planted import BREAKS, Bug

# The same programs each time. `make soak` draws others, and makes what it finds small.
PARTS = 4
PROGRAMS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_is_typed_the_laws_hold(part: int) -> None:
    @seed(part)
    @settings(
        max_examples=PROGRAMS,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def some(program: Program) -> None:
        check(program, Tally())

    some()


@pytest.mark.parametrize("bug", examples.PLANTED)
def test_a_planted_bug_breaks_its_law_and_without_it_none_is_broken(bug: Bug) -> None:
    program = examples.PLANTED[bug]

    assert BREAKS[bug].law in {each.law for each in judge(run(program, bug))}
    assert judge(run(program)) == []


@pytest.mark.parametrize("name", examples.FINDINGS)
def test_what_was_found_stays_mended(name: str) -> None:
    program, law = examples.FINDINGS[name]

    assert law not in {each.law for each in judge(run(program))}
