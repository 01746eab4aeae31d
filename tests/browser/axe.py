"""axe-core in a page: what somebody who does not see, or has no mouse, would stumble over."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SOURCE = (Path(__file__).parent / "vendor" / "axe" / "axe.min.js").read_text()
# Text over a gradient has no contrast that axe could judge, so that it would pass unseen.
RUN = """async (rules) => {
    const options = { resultTypes: ["violations", "incomplete"] };
    if (rules) options.runOnly = rules;
    const { violations, incomplete } = await axe.run(document, options);
    const unjudged = incomplete.map((each) => ({
        ...each,
        nodes: each.nodes.filter(({ any }) => any.some(({ message }) => /gradient/.test(message))),
    }));
    return [...violations, ...unjudged].flatMap(({ id, nodes }) =>
        nodes.map((node) => `${id}: ${node.target} ${node.html.slice(0, 160)}`)
    );
}"""


def violations(page: Page, *rules: str) -> list[str]:
    """Every violation of these rules, else of all of axe's: rule, place, markup."""
    # By evaluation, not by a script element, which the page's policy would refuse.
    if not page.evaluate("'axe' in window"):
        page.evaluate(SOURCE)
    found: list[Any] = page.evaluate(RUN, list(rules) or None)
    return [str(each) for each in found]
