"""The page that draws the workbook: in a browser, and from input that is not as it should be."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from dashboard.capture import CaptureError, Envelope, Row, read_capture
from dashboard.drawing import BY_SUBSCRIPTION, MOST_RECKONED, draw
from dashboard.tables import QueryError, Tables
from dashboard.workbook import FILE, Step, Workbook, WorkbookError, read_workbook
from infra.package import product_files
from infra.readings import EVENTS, NAMES
from tests.support.captured import Captured
from tests.support.envelopes import event_envelope
from tests.support.queries import ROOT, filled
from tests.support.terminal import Ran, here, keysweep
from tools.dashboard_pictures import browser

HOSTILE = "<img src=x onerror=\"document.title='taken'\"></script><script>document.title='taken'"
MOMENT = "2026-11-24T09:00:00Z"


DEEP = '[{"x": ' + "[" * 200_000 + "]" * 200_000 + "}]"


def event(name: str, time: str = MOMENT, **properties: Any) -> str:
    """Return one event as a capture has it."""
    return json.dumps(event_envelope(name, time, **properties))


def telemetry(time: str = MOMENT, **data: Any) -> str:
    """Return an envelope with this data."""
    return json.dumps({"time": time, "data": {"baseType": "EventData", "baseData": data}})


def metric(value: str) -> str:
    data = f'{{"metrics": [{{"name": "keysweep.accounts", "value": {value}}}]}}'
    return f'{{"time": "{MOMENT}", "data": {{"baseType": "MetricData", "baseData": {data}}}}}'


ONE_EVENT = [event_envelope("DriftFound", MOMENT)]


def small(*steps: Step) -> Workbook:
    whole = read_workbook()
    return replace(whole, above=(), tabs=(replace(whole.tabs[0], steps=steps),), ranges=(30.0,))


def grid(query: str, name: str = "step", **settings: Any) -> Step:
    return Step(
        name, 100, query=query, title="Table", visualization="table", empty="None.",
        settings=settings,
    )  # fmt: skip


def dashboard(capture: Path, out: Path, *options: str) -> Ran:
    """Draw a page by the command."""
    return here(None, "dashboard", "--capture", str(capture), "--out", str(out), *options)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_playwright() as playwright:
        started = browser(playwright)
        if started is None:
            pytest.skip("NO CHROMIUM on PATH: the dashboard's page was not looked at in a browser")
        yield started
        started.close()


@pytest.fixture(scope="module")
def month_page(month: Captured, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workbook = replace(read_workbook(), above=(), ranges=(7.0, 30.0))
    workbook = replace(workbook, tabs=(workbook.tabs[1], workbook.tabs[4], workbook.tabs[5]))
    file = tmp_path_factory.mktemp("page") / "dashboard.html"
    month.tables.everything()
    file.write_text(draw(workbook, month.tables))
    return file


@pytest.fixture
def page(chromium: Any) -> Iterator[Page]:
    """Give a page that may complain of nothing and fetch nothing but its own file."""
    opened = chromium.new_page(viewport={"width": 1400, "height": 900})
    complaints: list[str] = []
    fetched: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: fetched.append(request.url))
    yield opened
    opened.close()
    assert complaints == []
    assert [url for url in fetched if not url.startswith("file:")] == []


def shown(page: Page) -> list[str]:
    return [str(title) for title in page.locator("section h2").all_text_contents()]


def cells(page: Page, step: str, number: int) -> list[str]:
    more = page.locator(f"section[data-step='{step}'] button.more")
    if more.is_visible():
        more.click()
    column = page.locator(f"section[data-step='{step}'] tbody tr td:nth-child({number})")
    return [str(text) for text in column.all_text_contents()]


@pytest.fixture
def drawn_month(page: Page, month_page: Path) -> Page:
    """Open the page of the month."""
    page.goto(month_page.as_uri())
    return page


@pytest.fixture
def drawn(page: Page, tmp_path: Path) -> Callable[..., Page]:
    """Draw a page of some steps and open it."""

    def draw_steps(
        *steps: Step, events: Sequence[Envelope] = ONE_EVENT, ranges: tuple[float, ...] = (30.0,)
    ) -> Page:
        file = tmp_path / "page.html"
        workbook = replace(small(*steps), ranges=ranges, chosen=ranges[-1])
        file.write_text(draw(workbook, Tables(events)))
        page.goto(file.as_uri())
        return page

    return draw_steps


def test_tabs_switch(drawn_month: Page) -> None:
    for name in ("Patch wars", "Health", "Drift"):
        drawn_month.get_by_role("tab", name=name, exact=True).click()
        assert drawn_month.get_by_role("tab", selected=True).text_content() == name
        titles = [
            step.title for tab in read_workbook().tabs if tab.name == name for step in tab.steps
        ]
        assert len(shown(drawn_month)) == len([title for title in titles if title])


def test_the_time_range_filters(drawn_month: Page) -> None:
    everything = cells(drawn_month, "drift-all", 1)
    drawn_month.locator("#range").select_option("7")
    last_week = cells(drawn_month, "drift-all", 1)
    week = ["audit-archive", "faq-bot", "image-captions", "returns-bot", "ticket-summary",
            "treasury-bot"]  # fmt: skip
    assert len(everything) == 18
    assert sorted(last_week) == week


def test_the_subscription_filters(drawn_month: Page) -> None:
    drawn_month.locator("#subscription").select_option(label="finance-prod")
    assert set(cells(drawn_month, "drift-all", 2)) == {"finance-prod"}


@pytest.fixture(scope="module")
def web_prod(month: Captured) -> str:
    """Return the id of a subscription of the month."""
    month.tables.everything()
    found = month.tables.query(
        "customEvents\n| where name == 'SubscriptionRead'\n"
        "| where tostring(customDimensions.subscriptionName) == 'web-prod'\n"
        "| summarize by subscriptionId = tostring(customDimensions.subscriptionId)"
    )
    return str(found.rows[0][0])


def test_rows_of_a_chosen_subscription_are_those_that_its_own_query_returns(
    month: Captured, web_prod: str
) -> None:
    tables = month.tables
    tables.everything()
    for tab in read_workbook().tabs:
        shown = re.compile(rf"\| project .*\b{BY_SUBSCRIPTION}\b.*$")
        lists = [step for step in tab.steps if shown.search(step.query)]
        for step in lists[:1]:  # one of each tab: all of them take half a minute
            of_all = tables.query(filled(step.query))
            place = of_all.columns.index(BY_SUBSCRIPTION)
            own = tables.query(filled(step.query, {"{Subscription}": f"'{web_prod}'"}))
            narrowed = [row for row in of_all.rows if row[place] == "web-prod"]
            assert Counter(row for row in own.rows if row[place]) == Counter(narrowed), step.name


def test_with_many_subscriptions_numbers_say_that_they_are_of_all(
    drawn: Callable[..., Page],
) -> None:
    counted = "customEvents\n| where '*' in ({Subscription}) or '' in ({Subscription})\n"
    names = f"{counted}| project Subscription = tostring(customDimensions.subscriptionName)"
    subscriptions = [f"sub-{number}" for number in range(MOST_RECKONED + 1)]
    events = [
        event_envelope("SubscriptionRead", MOMENT, subscriptionId=name, subscriptionName=name)
        for name in subscriptions
    ]
    page = drawn(
        grid(f"{counted}| summarize Read = count()", "number"), grid(names, "rows"), events=events
    )
    page.locator("#subscription").select_option(label="sub-3")
    assert cells(page, "rows", 1) == ["sub-3"]
    assert cells(page, "number", 1) == [str(len(subscriptions))]
    assert page.locator("h2 .all").all_text_contents() == ["of all subscriptions"]


def test_a_subscription_keeps_its_rows_where_another_of_its_name_is_not_known(
    drawn: Callable[..., Page],
) -> None:
    read = [
        event_envelope("SubscriptionRead", moment, subscriptionId=name, subscriptionName="twin")
        for moment, name in (("2026-11-01T09:00:00Z", "a"), (MOMENT, "b"))
    ]
    rows = grid(f"{EVENTS}\n{NAMES}\nnames\n| project Subscription, subscriptionId", "rows")
    page = drawn(rows, events=read, ranges=(7.0, 30.0))
    page.locator("#subscription").select_option("b")
    for days in ("7", "30"):
        page.locator("#range").select_option(days)
        assert cells(page, "rows", 2) == ["b"]


def test_a_tile_that_names_a_tab_leads_there(drawn: Callable[..., Page]) -> None:
    (settings,) = (step.settings for step in read_workbook().steps if step.name == "overview-now")
    tile = "print Title = 'Held', Value = 7, status = 'warn', Note = 'see Overview'"
    page = drawn(
        Step("now", 100, query=tile, title="Now", visualization="tiles", settings=settings)
    )
    page.get_by_role("button", name="Held").click()
    assert page.url.endswith("#Overview")


def test_a_legend_is_whole_at_any_width(drawn_month: Page) -> None:
    drawn_month.set_viewport_size({"width": 400, "height": 900})
    cut = "(box) => box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight"
    boxes = drawn_month.locator(".legend")
    assert boxes.count() > 0
    assert not any(box.evaluate(cut) for box in boxes.all())


def test_the_page_is_dark_where_the_reader_is(drawn_month: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    drawn_month.emulate_media(color_scheme="dark")
    assert drawn_month.evaluate(ground) == "rgb(18, 23, 29)"


def test_tables_sort_both_ways_by_their_headings(drawn_month: Page) -> None:
    drawn_month.get_by_role("tab", name="Patch wars", exact=True).click()
    section = drawn_month.locator("section[data-step='wars-changes']")
    header = section.get_by_role("button", name="Account")
    header.click()
    names = cells(drawn_month, "wars-changes", 2)
    assert names == sorted(names)
    header.click()
    assert cells(drawn_month, "wars-changes", 2) == sorted(names, reverse=True)


def test_a_list_sorts_both_ways_and_is_searched(drawn_month: Page) -> None:
    section = drawn_month.locator("section[data-step='drift-all']")
    order = section.get_by_role("combobox")
    order.select_option(label="Account, descending")
    names = cells(drawn_month, "drift-all", 1)
    assert names == sorted(names, reverse=True)
    order.select_option(label="Seen by sweeps")
    numbers = [int(text) for text in cells(drawn_month, "drift-all", 10)]
    assert numbers == sorted(numbers)
    section.get_by_role("searchbox").fill("LOCKED")
    assert cells(drawn_month, "drift-all", 1) == ["audit-archive"]


def test_a_sentence_about_the_rows_is_not_counted_as_one(drawn_month: Page) -> None:
    section = drawn_month.locator("section[data-step='drift-open']")
    rows = section.locator("tbody tr:not(.alone):not(.below)")
    assert section.locator("h2 .count").inner_text() == str(rows.count())


def test_a_long_table_shows_its_worst_rows_until_all_are_asked_for(
    drawn_month: Page,
) -> None:
    rows = drawn_month.locator("section[data-step='drift-all'] tbody tr")
    assert rows.count() == 6
    assert "UNVERIFIED" in str(rows.first.text_content())
    drawn_month.get_by_role("button", name="Show all 18").click()
    assert rows.count() == 18


@pytest.mark.parametrize("width", [1400, 800, 400])
def test_nothing_is_cut_at_any_width(drawn_month: Page, width: int) -> None:
    drawn_month.set_viewport_size({"width": width, "height": 900})
    for name in ("Patch wars", "Health", "Drift"):
        drawn_month.get_by_role("tab", name=name, exact=True).click()
        hidden = drawn_month.evaluate(
            "[...document.querySelectorAll('.scroll, main')]"
            ".filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.innerText)"
        )
        assert hidden == []


def test_an_account_links_to_the_portal(drawn_month: Page) -> None:
    link = drawn_month.locator("section[data-step='drift-open'] a").first
    target = str(link.get_attribute("href"))
    assert target.startswith("https://portal.azure.com/#resource/subscriptions/")
    name = str(link.text_content())
    assert target.endswith(f"/providers/microsoft.cognitiveservices/accounts/{name}")


def test_what_telemetry_says_is_text_and_never_markup(drawn: Callable[..., Page]) -> None:
    step = grid("customEvents | project Account = tostring(customDimensions.accountName)")
    page = drawn(step, events=[event_envelope("DriftFound", MOMENT, accountName=HOSTILE)])
    assert cells(page, "step", 1) == [HOSTILE]
    assert page.title() != "taken"


def test_a_step_that_fails_says_so_and_the_others_are_drawn(drawn: Callable[..., Page]) -> None:
    names = "customEvents | project name"
    page = drawn(
        grid("customEvents | project nosuch", "broken"),
        grid(names, "lacking", labelSettings=[{"columnId": "Days", "label": "x"}]),
        grid("customEvents | where name == 'x' | project name", "empty"),
        grid(names, "fine"),
    )

    def words(step: str) -> str:
        return str(page.locator(f"section[data-step='{step}'] p").text_content())

    assert words("broken").startswith("The query of broken failed:")
    assert "nosuch" in words("broken")
    assert words("lacking") == "The query of lacking returns no column Days."
    assert words("empty") == "None."
    assert cells(page, "fine", 1) == ["DriftFound"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(content, problem, id=problem)
        for content, problem in [
            ("not json", "can't be read as telemetry"),
            ("[\n7,\n}", "line 3, column 1: "),
            (event("DriftFound") + "\n\n{broken", "line 3, column 2: "),
            ("[]", "holds no telemetry"),
            (f'[{{"time": "{MOMENT}"}}]', "item 1 is not an Application Insights envelope"),
            (telemetry("soon"), "its time is"),
            ("[1]", "it is not a JSON object"),
            (telemetry(properties=["x"]), "its properties are no object"),
            (telemetry(metrics=[{"name": "x"}]), "the metric x has no value"),
            (telemetry(metrics={}) + "\n" + telemetry(metrics="x"), "its metrics are no array"),
            (DEEP, "telemetry (maximum recursion depth exceeded"),
            (event("DriftFound", "0001-01-01T00:00:00+14:00"), "its time is of the year 1"),
            (event("DriftFound", "9999-12-31T23:59:59-12:00"), "its time is of the year 9999"),
            (event("DriftFound", "1999-12-31T23:59:59Z"), "its time is of the year 1999"),
            (metric("NaN"), "NaN is no number"),
            (metric("-Infinity"), "-Infinity is no number"),
            (metric("1e999"), "1e999 is no number"),
        ]
    ],
)
def test_a_capture_that_is_not_telemetry_is_refused_in_one_line(
    tmp_path: Path, content: str, problem: str
) -> None:
    file, out = tmp_path / "capture.json", tmp_path / "page.html"
    file.write_text(content)
    refused_in_one_line(dashboard(file, out), file, problem)
    assert not out.exists()


def refused_in_one_line(ran: Ran, file: Path, problem: str) -> None:
    """Hold that a file is refused with one line, which names it and its problem."""
    assert ran.code == 64
    assert ran.err.startswith(f"keysweep: {file}")
    assert problem in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("not json", "can't be read as logged calls"),
        ("[1]", "item 1 is not a row of AzureDiagnostics: it is not a JSON object"),
        (f'[{{"TimeGenerated": "{MOMENT}"}}]', "it has no _ResourceId"),
        ('[{"_ResourceId": "/a", "TimeGenerated": "soon"}]', "its time is 'soon'"),
        ('[{"_ResourceId": "/a"}]', "its time is None"),
        ('[{"_ResourceId": "/a", "TimeGenerated": "2026-11-24T09:00:00"}]', "no zone"),
    ],
)
def test_logged_calls_that_are_none_are_refused_in_one_line(
    tmp_path: Path, content: str, problem: str
) -> None:
    capture, calls, out = tmp_path / "one.json", tmp_path / "calls.json", tmp_path / "page.html"
    capture.write_text(event("DriftFound"))
    calls.write_text(content)
    refused_in_one_line(dashboard(capture, out, "--diagnostics", str(calls)), calls, problem)
    assert not out.exists()


@pytest.mark.parametrize(
    ("diagnostics", "expected"),
    [(None, ["lacks"]), ([], ["needs"])],
    ids=["without logged calls", "with none of them"],
)
def test_a_step_that_needs_a_workspace_is_drawn_where_one_was_captured(
    diagnostics: list[Row] | None, expected: list[str]
) -> None:
    needs = replace(grid("customEvents | project name", "needs"), needs="Workspace")
    lacks = replace(grid("customEvents | project name", "lacks"), lacks="Workspace")
    page = draw(small(needs, lacks), Tables(ONE_EVENT, diagnostics))
    assert re.findall(r'"name": "(needs|lacks)"', page) == expected


def test_the_workspace_of_a_query_is_the_captured_one() -> None:
    row = {
        "TimeGenerated": MOMENT,
        "_ResourceId": "/a/bot",
        "OperationName": "ChatCompletions_Create",
    }
    kql = (
        "workspace('/subscriptions/s/w').AzureDiagnostics\n"
        "| project OperationName, text = column_ifexists('objectId_s', '')"
    )
    found = Tables(ONE_EVENT, [row]).query(kql)
    assert found.rows == (("ChatCompletions_Create", None),)


def test_a_capture_that_is_not_there_is_refused(tmp_path: Path) -> None:
    ran = dashboard(tmp_path / "nope", tmp_path / "page.html")
    assert "does not exist" in ran.err
    assert ran.code == 64


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    """Draw a folder of captures in the place of an older page."""
    folder = tmp_path_factory.mktemp("redrawn")
    captures, out = folder / "captures", folder / "page.html"
    captures.mkdir()
    (captures / "one.json").write_text(f"[{event('DriftFound', accountName='first-bot')}]")
    (captures / "two.jsonl").write_text(event("PatchWar", accountName="second-bot"))
    (captures / "notes.txt").write_text("not telemetry")
    out.write_text(draw(small(grid("customEvents | project name")), Tables(ONE_EVENT)))
    return dashboard(captures, out), out


def test_a_folder_of_captures_is_one_capture(redrawn: tuple[Ran, Path]) -> None:
    _, out = redrawn
    assert len(read_capture(out.parent / "captures")) == 2
    assert "first-bot" in out.read_text()
    assert "second-bot" in out.read_text()


def test_a_page_takes_the_place_of_an_older_one(redrawn: tuple[Ran, Path]) -> None:
    ran, out = redrawn
    assert ran.err == ""
    assert ran.code == 0
    assert str(out) in ran.out
    assert sorted(file.name for file in out.parent.iterdir()) == ["captures", "page.html"]


def test_a_page_that_can_not_be_written_says_so_before_it_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keysweep.dashboard.draw", None)
    capture, out = tmp_path / "capture.json", tmp_path / "no" / "page.html"
    capture.write_text(event("DriftFound"))
    refused_in_one_line(dashboard(capture, out), out, "can't be written")


def test_without_its_extra_the_command_names_it(tmp_path: Path) -> None:
    (tmp_path / "duckdb.py").write_text("raise ModuleNotFoundError('x', name='duckdb')")
    ran = keysweep(None, "dashboard", "--capture", str(tmp_path), PYTHONPATH=str(tmp_path))
    assert ran.err.startswith("Error: the dashboard needs duckdb, which is not installed")
    assert "'.[cli,dashboard]'" in ran.err
    assert ran.code == 64


def test_a_workbook_that_is_none_is_refused(tmp_path: Path) -> None:
    workbook = tmp_path / "workbook.json"
    workbook.write_text('{"items": []}')
    with pytest.raises(WorkbookError, match="is not a workbook"):
        read_workbook(workbook)


def test_the_function_is_deployed_without_the_dashboard() -> None:
    assert not [path for path in product_files() if "dashboard" in str(path)]
    assert "duckdb" not in (ROOT / "requirements.txt").read_text()
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = metadata["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert set(wheel) == {"dashboard", "keysweep", "shared", str(FILE.relative_to(ROOT))}


@pytest.mark.parametrize(
    "content",
    [
        event("DriftFound", accountName="half a \ud83d pair"),
        event("DriftFound", accountName={"nested": [[[[]]]]}, sweepId=None, mode=[1]),
        event("DriftFound", **{"\ud83d": "a name"}),
        metric("1" * 400),
        metric("true"),
    ],
    ids=["a lone surrogate", "values of other types", "a name", "a huge number", "a flag"],
)
def test_odd_values_are_drawn_or_refused_with_a_word(tmp_path: Path, content: str) -> None:
    file = tmp_path / "capture.json"
    file.write_text(content)
    step = grid("customEvents | project name, Dimensions = tostring(customDimensions)")
    try:
        page = draw(small(step), Tables(read_capture(file)))
    except (CaptureError, QueryError) as error:
        assert str(error)  # noqa: PT017 - either end is fine, and any other error is not
    else:
        assert page.encode()


def test_a_number_that_is_none_is_shown_as_nothing() -> None:
    step = grid("customEvents | project Ratio = 0.0 / 0.0")
    page = draw(small(step), Tables(ONE_EVENT))
    data = re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert data is not None
    model = json.loads(data[1], parse_constant=pytest.fail)
    assert model["results"][0]["rows"] == [[None]]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Give a folder with one capture."""
    folder = tmp_path / "captures"
    folder.mkdir()
    (folder / "one.json").write_text(event("DriftFound", accountName="new-bot"))
    return folder


def refused(capture: Path, out: Path, why: str) -> None:
    """Hold that the page is refused with one sentence, and that nothing there is changed."""

    def contents() -> dict[Path, bytes]:
        files = filter(Path.is_file, capture.parent.rglob("*"))
        return {file: file.read_bytes() for file in files}

    before = contents()
    ran = dashboard(capture, out)
    assert ran.err == f"keysweep: {out} {why}: give another --out.\n"
    assert ran.code == 64
    assert contents() == before


def test_a_page_does_not_overwrite_its_own_capture_by_whichever_name(capture: Path) -> None:
    file, other = capture / "one.json", capture.parent / "hard-link.html"
    other.hardlink_to(file)
    for out in (file, other):
        refused(file, out, "is the capture itself")


@pytest.mark.parametrize(
    "out", ["captures/one.json", "captures/new.html", "captures/deep/new.html", "way/new.html"]
)
def test_a_page_is_not_written_among_the_captures_by_whichever_way(capture: Path, out: str) -> None:
    (capture.parent / "way").symlink_to(capture, target_is_directory=True)
    refused(capture, capture.parent / out, "is inside the folder of captures")


@pytest.mark.parametrize("target", ["notes.txt", "nothing"])
def test_a_page_is_not_written_through_a_link(capture: Path, target: str) -> None:
    (capture.parent / "notes.txt").write_text("precious")
    out = capture.parent / "page.html"
    out.symlink_to(capture.parent / target)
    refused(capture, out, "is a link, and what it leads to is not overwritten")
    assert not (capture.parent / "nothing").exists()


def test_a_page_does_not_overwrite_what_is_no_page(capture: Path) -> None:
    out = capture.parent / "report.html"
    out.write_text("<!doctype html><title>Somebody else's</title>")
    refused(capture, out, "is there already, and is no page of keysweep's")
