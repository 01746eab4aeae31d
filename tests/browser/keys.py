"""The keyboard as whoever has no mouse uses it: Tab to a control, Enter or Space on it."""

from playwright.sync_api import Locator, Page, expect

# So many controls there are at most before the one that is wanted.
MOST_TABS = 80


def reach(page: Page, wanted: Locator) -> None:
    """Press Tab until the control has the focus; not at all where it has it already."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached by the keyboard")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    """Press the key on the control, once Tab has led there."""
    reach(page, wanted)
    page.keyboard.press(key)
