"""What a person hears, and on which stream."""

import io

from keysweep.screen import Screen


def test_who_wants_it_quiet_hears_what_is_wrong_or_worth_keeping_alone() -> None:
    out, err = io.StringIO(), io.StringIO()
    screen = Screen(out, err, quiet=True)
    screen.note("note")
    screen.say("said")
    screen.warn("warning")
    screen.problem("problem")
    screen.keep("kept")
    screen.show("shown")
    assert err.getvalue().split() == ["warning", "keysweep:", "problem", "kept"]
    assert out.getvalue().split() == ["shown"]
