"""Programs that the soak found, as it shrank and trimmed them, and the laws that they broke."""

from collections.abc import Mapping

from soak.planted import Bug
from soak.program import (
    Admit,
    Born,
    Cut,
    Fault,
    Finish,
    Program,
    Start,
    Team,
    Wait,
)

PLANTED: Mapping[Bug, Program] = {
    Bug.NO_RE_READ: Program((Born("a"),), (), budget=60),
    Bug.RESENT_PATCH: Program(
        (Born("a"),), (Fault("patch", "503 for 2 s after acting"), Start(0)), budget=60
    ),
    Bug.NO_READ_BACK: Program((Born("a"),), (Start(0), Finish(), Start(0)), budget=60),
    Bug.EMPTY_IS_WHOLE: Program((), (Team("lose role"), Start(0)), budget=60),
    Bug.LAPSED_HONOURED: Program((Born("a", "lapsed fields"),), (), by_group=True, budget=60),
    Bug.KIND_FORGOTTEN: Program(
        (Born("a"),), (Start(0), Admit(7), Team("other kind", "a")), budget=60
    ),
    Bug.NOT_AWAITED: Program((Born("a"),), (), budget=60),
    Bug.AGE_TOO_EARLY: Program(
        (Born("a"),), (Fault("get", "late connection"), Start(0)), budget=60
    ),
    Bug.NO_CEILING_OF_A_WAIT: Program(
        (Born("a"),), (Fault("get", "429 for years"), Start(0), Finish()), budget=60
    ),
    Bug.OUTSIDE_THE_RINGS: Program((Born("d"),), (), in_ring=True, budget=60),
}
"""What found each planted bug."""

FINDINGS: Mapping[str, tuple[Program, str]] = {
    "an operation that fails after the read-back": (
        Program((Born("a", form="FAILS"),), (Fault("poll", "401", 99), Start(0), Finish())),
        "done stays done",
    ),
    "an account that was deleted and created again": (
        Program(
            (Born("a", form="OK_200"),),
            (
                Start(0),
                Finish(),
                Wait(900),
                Team("delete", "a"),
                Team("create", "a"),
                Wait(95),
                Start(1),
                Admit(7),
                Cut(1, acted=True),
                Wait(95),
                Start(0),
                Finish(),
            ),
        ),
        "outcomes",
    ),
}
"""What was found in the product, and the law that it broke."""
