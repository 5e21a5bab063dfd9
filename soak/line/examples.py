"""Programs in which the planted bugs show, as small as they get; and what was found."""

from collections.abc import Mapping

from soak.line.program import (
    Account,
    AppSettings,
    At,
    Colleague,
    Command,
    Meanwhile,
    Program,
    Wait,
)
from soak.planted import Bug

_ONE = (Account(),)
_TWO = (Account(), Account(called="chat"))
_UNDO = Command("undo")
_SWEEP = Command("sweep")

PLANTED: Mapping[Bug, Program] = {
    Bug.NAMED_ANYWHERE: Program(
        (Account("three a"),), (Command("exempt", (0,), line="mg-left", flags=()),)
    ),
    Bug.YES_RELEASES: Program(
        _TWO, (Command("sweep", settings="a file"),), AppSettings(most_changes=1)
    ),
    Bug.YES_ENFORCES: Program(
        _ONE, (Command("sweep", settings="the environment"),), AppSettings(mode="audit")
    ),
    Bug.RECORD_AFTER: Program(_ONE, (_SWEEP,)),
    Bug.RECORD_KEPT_BACK: Program(_ONE, (_SWEEP,)),
    Bug.UNDONE_ANYWHERE: Program(
        _ONE, (_SWEEP, Command("undo", line="mg-right", as_printed=False))
    ),
    Bug.TURNED_SINCE: Program(
        _ONE, (_SWEEP, Colleague("keys on"), Colleague("keys off"), Wait(), _UNDO)
    ),
    Bug.ANY_TAG_REPLACED: Program(_ONE, (_SWEEP, Colleague("tag", tag="no"), Wait(), _UNDO)),
    Bug.OWNER_DROPPED: Program(
        (Account(tag="short owned"),), (Command("exempt", (0,), ends="--for 90d"),)
    ),
    Bug.SHORTENED: Program((Account(tag="long"),), (Command("exempt", (0,), ends="--for 1d"),)),
    Bug.NULL_IS_TEXT: Program(_ONE, (Command("sweep", settings="nulls"),)),
    Bug.STOPPED_IS_NOTHING: Program(
        _ONE,
        (Command("exempt", (0,), meanwhile=(Meanwhile(At("write", 1), "Ctrl-C"),)),),
    ),
    Bug.HELD_IS_FINE: Program((Account(tag="unreadable"),), (_SWEEP,)),
}
"""What shows each planted bug."""
