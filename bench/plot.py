"""Draws costs against numbers of done jobs as SVG: a diagram a cost, from zero, each point with its value."""

import math
from collections.abc import Iterator
from html import escape

WIDTH, HEIGHT = 300, 160  # of a diagram, in pixels
MARGIN = 50  # around it
COLUMNS = 3

STYLE = "text { font: 12px sans-serif; text-anchor: middle } path { fill: none; stroke: #1f77b4; stroke-width: 2 }"


def drawing(sizes: list[int], costs: dict[str, list[float]]) -> str:
    """Return an SVG document; costs are given in seconds and shown in milliseconds, sizes on a logarithmic scale."""
    across, down = WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN
    rows = math.ceil(len(costs) / COLUMNS)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across * COLUMNS} {down * rows}">',
        f"<style>{STYLE}</style>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for place, (title, seconds) in enumerate(costs.items()):
        x, y = place % COLUMNS * across + MARGIN, place // COLUMNS * down + MARGIN
        lines += [f'<g transform="translate({x} {y})">', *_diagram(title, sizes, seconds), "</g>"]
    return "\n".join([*lines, "</svg>\n"])


def _diagram(title: str, sizes: list[int], seconds: list[float]) -> Iterator[str]:
    least, most = math.log(min(sizes)), math.log(max(sizes))
    points = [
        (round((math.log(size) - least) / (most - least or 1) * WIDTH), round(HEIGHT - second / max(seconds) * HEIGHT))
        for size, second in zip(sizes, seconds, strict=True)
    ]
    yield f'<text x="{WIDTH // 2}" y="-30" font-weight="bold">{escape(title)} (ms)</text>'
    yield f'<text x="{WIDTH // 2}" y="{HEIGHT + 38}">done jobs</text>'
    yield f'<path d="M0 {HEIGHT}H{WIDTH}" style="stroke: #ccc"/>'
    yield f'<path d="M{"L".join(f"{x} {y}" for x, y in points)}"/>'
    for (x, y), size, second in zip(points, sizes, seconds, strict=True):
        yield f'<circle cx="{x}" cy="{y}" r="3" fill="#1f77b4"/>'
        yield f'<text x="{x}" y="{y - 10}">{second * 1000:,.2f}</text>'
        yield f'<text x="{x}" y="{HEIGHT + 20}">{size:,}</text>'
