"""One tone for each state, in terminal and workbook."""

from infra.workbook.words import RESULTS, STATES
from keysweep.impact.verdict import Impact
from keysweep.tones import TONES, Tone, style_of
from shared.core.model import Result, Verdict

SHADES = {
    Tone.BAD: {"redBright", "redDark", "red", "brown"},
    Tone.ATTENTION: set[str](),
    Tone.FORBIDDEN: {"purple", "pink"},
    Tone.WAITS: {"orange", "yellow"},
    Tone.ALLOWED: {"blue"},
    Tone.DONE: {"green"},
    None: {"gray", "grayBlue"},
}
VERDICTS = {"Keys off": "COMPLIANT", "Exempt": "EXEMPT", "Held": "HELD", "Drift": "DRIFT"}


def test_every_tone_is_of_a_state_that_there_is() -> None:
    named = (*Result, *Verdict, *Impact)
    # The workbook's: an announced change without an end.
    assert set(TONES) - {state.name for state in named} == {"NOT_TOLD"}


def test_keys_that_are_likely_in_use_look_like_nobodys_deliberate_no() -> None:
    assert TONES["LIKELY_KEYS"] is Tone.ATTENTION
    assert len({tone.value for tone in Tone}) == len(Tone)


def test_every_verdict_on_use_has_a_style() -> None:
    assert all(style_of(impact) for impact in Impact)


def test_what_is_no_news_has_no_style() -> None:
    assert {result.name for result in Result if not style_of(result.name)} == {
        "GONE",
        "OUT_OF_SCOPE",
    }


def test_a_chart_draws_a_result_in_a_shade_of_its_tone() -> None:
    wrong = {name for name, shade in RESULTS.items() if shade not in SHADES[TONES.get(name)]}
    assert wrong == set()


def test_a_chart_draws_a_verdict_in_a_shade_of_its_tone() -> None:
    wrong = {name for name, shade in STATES.items() if shade not in SHADES[TONES[VERDICTS[name]]]}
    assert wrong == set()
