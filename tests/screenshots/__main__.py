"""`make screenshots`: a picture of every page in every condition; the chosen go to docs/img."""

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.acceptance.product import running_product
from tests.screenshots import scenes
from tests.screenshots.camera import Camera, camera
from tests.screenshots.pages import CHOSEN, EMPTY, FAILING, FULL, LOST, MENDED, Shot

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Take all pictures; those that the documents show replace the ones in docs/img."""
    options = _options()
    with (
        tempfile.TemporaryDirectory(prefix="paratia-") as folder,
        running_product(Path(folder) / "var", **scenes.QUICK) as product,
        camera(product, options.folder) as lens,
    ):
        _take(lens, "empty", EMPTY, {})
        numbers = scenes.fill(product)
        _take(lens, "full", FULL, numbers)
        _take(lens, "failing", FAILING, {**numbers, **scenes.break_down(product)})
        _take(lens, "mended", MENDED, scenes.mend(product))
        _take(lens, "lost", LOST, scenes.lose(product))
        _take(lens, "gone", LOST, scenes.lose_all(product))
    if options.docs:
        for picture, name in CHOSEN.items():
            shutil.copy(options.folder / f"{picture}.png", ROOT / "docs" / "img" / f"{name}.png")
    print(f"The pictures are in {options.folder}.")


def _take(lens: Camera, scene: str, shots: list[Shot], numbers: Mapping[str, object]) -> None:
    for shot in shots:
        lens.take(scene, shot.name, shot.address.format(**numbers), shot.click)
        print(f"{scene}: {shot.name}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "screenshots")
    parser.add_argument("--docs", action="store_true", help="also replace those in docs/img")
    return parser.parse_args()


if __name__ == "__main__":
    main()
