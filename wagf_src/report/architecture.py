"""`make architecture`: the rooms of the package on their floors, drawn from its imports, for CONTRIBUTING.

Floors are those of the contract in pyproject.toml. An arrow is an import that no other path of arrows implies; what
every room may use (the two lowest floors but `layers`) has none.
"""

import re
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import grimp
import matplotlib.pyplot as plt

from wagf_src import paths

PICTURE = paths.BOOK / "_static" / "architecture.svg"


def floors() -> list[list[str]]:
    """Rooms by floor, highest first."""
    with open(paths.ROOT / "pyproject.toml", "rb") as file:
        contract = tomllib.load(file)["tool"]["importlinter"]["contracts"][0]
    return [re.findall(r"\w+", floor) for floor in contract["layers"]]


def imports() -> set[tuple[str, str]]:
    """Pairs of rooms (importer, imported) that stand on the floors."""
    rooms = {room for floor in floors()[:-2] for room in floor} | {"layers"}
    graph = grimp.build_graph("wagf_src", exclude_type_checking_imports=True)
    pairs = set()
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            pair = tuple((name.split(".") + [""])[1] for name in (importer, imported))
            if pair[0] != pair[1] and rooms.issuperset(pair):
                pairs.add(pair)
    return pairs


def reduced(pairs: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs that no path over others implies."""

    def reaches(start, end, without):
        return any(b == end or reaches(b, end, None) for a, b in pairs if a == start and (a, b) != without)

    return sorted(pair for pair in pairs if not reaches(*pair, without=pair))


def draw(path: Path = PICTURE) -> None:
    """The picture as SVG, whose description lists its arrows: a test compares them with the imports."""
    pairs = reduced(imports())
    place = {}
    for height, floor in enumerate(reversed(floors())):
        for number, room in enumerate(floor):
            place[room] = ((number + 0.5) / len(floor) + (0.06 if height % 2 else -0.06) * (len(floor) == 1), height)
    with plt.rc_context({"svg.hashsalt": "wagf", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure, ax = plt.subplots(figsize=(9, 8))
        for importer, imported in pairs:
            style = {"arrowstyle": "->", "color": "#6b7c93", "shrinkA": 12, "shrinkB": 12}
            ax.annotate("", xy=place[imported], xytext=place[importer], arrowprops=style)
        for room, (x, y) in place.items():
            box = {"boxstyle": "round,pad=0.4", "facecolor": "#eaf2fb", "edgecolor": "#1f4e79"}
            ax.text(x, y, room, ha="center", va="center", bbox=box)
        ax.set(xlim=(0, 1), ylim=(-0.5, len(floors()) - 0.5))
        ax.axis("off")
        arrows = ", ".join(f"{a} -> {b}" for a, b in pairs)
        figure.savefig(path, bbox_inches="tight", facecolor="white", metadata={"Date": None, "Description": arrows})
        plt.close(figure)


def drawn(path: Path = PICTURE) -> list[tuple[str, str]]:
    """The arrows of a picture, as its description says them."""
    (text,) = [e.text for e in ElementTree.parse(path).iter() if e.tag.endswith("}description")]
    return [tuple(arrow.split(" -> ")) for arrow in text.split(", ")]


if __name__ == "__main__":
    draw()
