"""Pictures of a dashboard: `python -m tools.dashboard_pictures STORY PAGE DIRECTORY`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Literal, get_args

from playwright.sync_api import Browser, Playwright, sync_playwright

WIDTHS = (1400, 800)


type Story = Literal["demo", "month"]


@dataclass(frozen=True, slots=True)
class Cut:
    """A picture of one tab as the documents show it."""

    tab: str
    width: int = 1400
    story: Story = "month"
    """Whose telemetry the page is drawn from: `make demo`'s, or that of `python -m tools.month`."""
    begins: str = ""
    """The heading that it begins with; empty: it shows the whole tab."""
    height: int = 900
    """How much it shows from there."""
    sharpness: int = 1
    """How many dots a pixel of the page has."""

    @property
    def file(self) -> str:
        """Return the name of its file."""
        return f"{self.tab.lower().replace(' ', '-')}-{self.width}.png"


DOCUMENTED = (
    # GitHub shows a README some 840 pixels wide, and shrinks what is drawn wider.
    Cut("Overview", 960, "demo", begins="Now: as the newest", height=530, sharpness=2),
    *(
        Cut(tab)
        for tab in ("Drift", "Exposure", "Evidence", "Who", "Rings", "Who uses keys", "After")
    ),
)
"""The pictures that the documents show."""
_MARGIN = 12


def browser(playwright: Playwright) -> Browser | None:
    """Start the system's Chromium; None where there is none. Playwright's own is not fetched."""
    chromium = which("chromium") or which("chromium-browser") or which("google-chrome")
    if chromium is None:
        return None
    # In a container there is no user namespace for its sandbox; it opens our own file alone.
    return playwright.chromium.launch(
        executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
    )


def picture(page_file: Path, directory: Path, widths: tuple[int, ...] = WIDTHS) -> list[Path]:
    """Draw each tab at each width. Returns the files; none where there is no Chromium."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    with sync_playwright() as playwright:
        started = browser(playwright)
        if started is None:
            return []
        for width in widths:
            page = started.new_page(viewport={"width": width, "height": 900})
            page.goto(page_file.resolve().as_uri())
            for name in page.locator("nav button").all_text_contents():
                page.get_by_role("tab", name=name, exact=True).click()
                file = directory / f"{name.lower().replace(' ', '-')}-{width}.png"
                page.screenshot(path=file, full_page=True)
                files.append(file)
        started.close()
    return files


def draw(page_file: Path, directory: Path, cuts: Sequence[Cut]) -> list[Path]:
    """Draw parts of a page. Returns the files; none where there is no Chromium."""
    with sync_playwright() as playwright:
        started = browser(playwright)
        if started is None:
            return []
        for cut in cuts:
            page = started.new_page(
                viewport={"width": cut.width, "height": cut.height},
                device_scale_factor=cut.sharpness,
            )
            page.goto(page_file.resolve().as_uri())
            page.get_by_role("tab", name=cut.tab, exact=True).click()
            page.mouse.move(0, 0)  # what is under the pointer looks so
            if cut.begins:
                page.get_by_role("heading", name=cut.begins).evaluate(
                    "(heading, margin) => { heading.scrollIntoView(); scrollBy(0, -margin); }",
                    _MARGIN,
                )
            page.screenshot(path=directory / cut.file, full_page=not cut.begins)
            page.close()
        started.close()
    return [directory / cut.file for cut in cuts]


def main() -> None:
    """Draw those that the documents show of one story's page."""
    parser = argparse.ArgumentParser(prog="python -m tools.dashboard_pictures", description=__doc__)
    parser.add_argument("story", choices=get_args(Story.__value__))
    parser.add_argument("page", type=Path)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    cuts = [cut for cut in DOCUMENTED if cut.story == arguments.story]
    files = draw(arguments.page, arguments.directory, cuts)
    found = f"{len(files)} pictures in {arguments.directory}" if files else "No Chromium."
    print(found)  # noqa: T201


if __name__ == "__main__":
    main()
