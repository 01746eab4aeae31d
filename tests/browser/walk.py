"""A walk over pages: what is wrong with each, in every theme and width."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from playwright.sync_api import Page, Response

from tests.browser.axe import violations
from tests.screenshots.pages import Shot


class Look(NamedTuple):
    """A window, the colours in it, and what is asked of a page there: all, or these rules."""

    width: int
    scheme: Literal["light", "dark"]
    forced: Literal["active", "none"] = "none"
    rules: tuple[str, ...] = ()


Looks = tuple[Look, ...]
NARROW, COLOURS = Look(390, "light"), ("color-contrast",)
# What differs by the theme are colours alone, and by the width the frame, which all pages share.
DARK, FORCED = Look(1024, "dark", rules=COLOURS), Look(1440, "light", "active", COLOURS)
LOOKS = (NARROW, DARK, FORCED)
WIDE = (Look(1440, "dark"),)
# Those next to where the layout changes; wider than the last there is only more room.
WIDTHS = (320, 769, 980, 1080, 1150)
# Sideways the page may not scroll, and nothing may stick out of its panel.
OVERFLOW = """() => [document.documentElement, ...document.querySelectorAll(".panel")]
    .filter((box) => box.scrollWidth > box.clientWidth)
    .map((box) => `${box.id || box.tagName} is ${box.scrollWidth - box.clientWidth} px too wide`)"""
INLINE = """[...document.querySelectorAll("*")].flatMap((element) =>
    [...element.attributes]
        .filter(({ name }) => name === "style" || name.startsWith("on") || name === "hx-on")
        .map(({ name }) => `${name} on ${element.tagName}`)
    .concat(
        element.matches("script:not([src]), style") && !element.closest("template")
            ? [`inline ${element.tagName}`] : []))"""


@dataclass
class Walk:
    """Goes from page to page in one tab, and remembers what the browser complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        page, heard = self.page, self.complaints
        page.on("console", lambda m: heard.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: heard.append(str(error)))

    def over(
        self, shots: Iterable[Shot], numbers: Mapping[str, object], looks: Looks = LOOKS
    ) -> dict[str, list[str]]:
        """The addresses where something is wrong, each with all that is."""
        found = {shot.name: list(self._at(shot, numbers, looks)) for shot in shots}
        return {name: wrong for name, wrong in found.items() if wrong}

    def here(self, looks: Looks = LOOKS) -> Iterator[str]:
        for look in looks:
            self._take(look)
            for found in violations(self.page, *look.rules):
                yield f"{look} {found}"
        yield from self.page.evaluate(INLINE)
        yield from self.too_wide()

    def too_wide(self) -> Iterator[str]:
        """What sticks out of the page as it stands, in each width."""
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 800})
            for wide in self.page.evaluate(OVERFLOW):
                yield f"{wide} at {width}"

    def _take(self, look: Look) -> None:
        self.page.emulate_media(color_scheme=look.scheme, forced_colors=look.forced)
        self.page.set_viewport_size({"width": look.width, "height": 900})

    def _at(self, shot: Shot, numbers: Mapping[str, object], looks: Looks) -> Iterator[str]:
        self.complaints.clear()
        answer = self.page.goto(shot.address.format(**numbers))
        assert isinstance(answer, Response)
        if answer.status >= 400:
            yield f"answers {answer.status}"
        if shot.click:
            self.page.locator(shot.click).first.click()
            self.page.get_by_role("dialog").wait_for()
        yield from self.here(looks)
        yield from self.complaints
