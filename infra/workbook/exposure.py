"""The tab on exposure: how long keys were on, for each account and in all, and how soon off.

How soon is known of those whose beginning is known exactly: the change log keeps two weeks.
"""

from infra.workbook.history import HISTORY_OF, history, picked
from infra.workbook.lists import listed
from infra.workbook.spans import SPANS
from infra.workbook.steps import ACCOUNT, Step, bar, chart, grid, moment, tab, tiles

# What nobody exempted: whoever has leave is no exposure.
_EXPOSED = "spans\n| where Leave != 'exempt'"
_WHERE = "ResourceGroup, Kind, Region"


def exposure() -> Step:
    """Return the tab."""
    return tab(
        "Exposure",
        _numbers(),
        _by_week(),
        _share_by_week(),
        _by_account(),
        history("exposure"),
    )


def _numbers() -> Step:
    return tiles(
        "exposure-numbers",
        "Keys that were on in this time range, but for the exempt",
        f"""
{SPANS}
let exposed = {_EXPOSED};
let most = toscalar(print {{Within}} / 1m);
let numbers = exposed
| summarize accounts = dcount(accountId), total = sum(hoursExposed),
    half = percentile(minutesToOff, 50), nearlyAll = percentile(minutesToOff, 95),
    known = countif(Known == 'exactly'), lasting = countif(Ended == 'still on'),
    inTime = countif(minutesToOff <= {{Within}} / 1m);
union
(numbers | project place = 1, Title = 'Hours with keys on', Value = round(coalesce(total, 0.0), 0),
    status = '', Note = 'of all accounts together'),
(numbers | project place = 2, Title = 'Accounts', Value = todouble(accounts), status = '',
    Note = 'had keys on'),
(numbers | project place = 3, Title = 'Still on', Value = todouble(lasting),
    status = iff(lasting > 0, 'bad', ''), Note = 'as last told'),
(numbers | project place = 4, Title = 'Half were off within', Value = round(half, 0), status = '',
    Note = 'minutes'),
(numbers | project place = 5, Title = '95 % were off within', Value = round(nearlyAll, 0),
    status = '', Note = 'minutes'),
(numbers | project place = 6, Title = 'Off in time, %',
    Value = iff(known == 0, real(null), round(100.0 * inTime / known, 0)), status = '',
    Note = strcat('within ', tostring(toint(most)), ' minutes, of ', tostring(known)))
""",
        "No sweep told of keys that were on in this time range.",
    )


def _by_week() -> Step:
    return chart(
        "exposure-minutes-by-week",
        "Minutes from keys on to keys off, by the week in which they went off",
        f"""
{SPANS}
{_EXPOSED}
| where isnotnull(minutesToOff)
| summarize Half = percentile(minutesToOff, 50), Most = percentile(minutesToOff, 95)
    by Time = bin(End, 7d)
| order by Time asc""",
        "No sweep told that keys went off in this time range.",
        "linechart",
        {"Half": "blue", "Most": "orange"},
        unit=25,
    )


def _share_by_week() -> Step:
    return chart(
        "exposure-in-time-by-week",
        "Share that was off in time, by the week in which they went off, %",
        f"""
{SPANS}
{_EXPOSED}
| where isnotnull(minutesToOff)
| summarize ended = count(), inTime = countif(minutesToOff <= {{Within}} / 1m)
    by Time = bin(End, 7d)
| project Time, InTime = round(100.0 * inTime / ended, 1)
| order by Time asc""",
        "No sweep told that keys went off in this time range.",
        "linechart",
        {"InTime": "green"},
        unit=1,
    )


def _by_account() -> Step:
    return picked(
        grid(
            "exposure-accounts",
            "Hours with keys on, by account: choose one for its history",
            listed(
                SPANS,
                f"""{_EXPOSED}
| summarize Hours = round(sum(hoursExposed), 1), Times = count(),
    Longest = round(max(hoursExposed), 1),
    Ended = iff(countif(Ended == 'still on') > 0, 'still on', ''), arg_max(On, By, With, End)
    by Account, Subscription, {_WHERE}, accountId
| project-rename LastOn = On
| extend LastOff = iff(Ended == 'still on', datetime(null), End)""",
                f"Account, Hours, Times, Longest, Subscription, {_WHERE}, LastOn, LastOff, By, "
                "With, accountId",
                "Hours desc, Account asc",
                now=False,
            ),
            "No sweep told of keys that were on in this time range.",
            [*ACCOUNT, bar("Hours", "orange"), *moment("LastOn", "LastOff")],
            {
                "ResourceGroup": "Resource group",
                "Longest": "Longest, hours",
                "LastOn": "Last on",
                "LastOff": "Last off",
                "By": "Last on by",
            },
        ),
        HISTORY_OF["exposure"],
    )
