"""Pictures of a dashboard: `python -m tools.dashboard_pictures FILE.html DIRECTORY`, tab by tab."""

import argparse
from pathlib import Path
from shutil import which

from playwright.sync_api import Browser, Playwright, sync_playwright

WIDTHS = (1400, 800)


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


def main() -> None:
    """Draw them."""
    parser = argparse.ArgumentParser(prog="python -m tools.dashboard_pictures", description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    files = picture(arguments.page, arguments.directory)
    found = f"{len(files)} pictures in {arguments.directory}" if files else "No Chromium."
    print(found)  # noqa: T201


if __name__ == "__main__":
    main()
