"""Charts as SVG text, drawn for a page that may be light or dark.

Colours are CSS classes (`STYLE`), so one drawing serves both; nothing is loaded from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 26, 40
ROW = 26  # of a bar
SERIES = 4  # colours that can be told apart

STYLE = """
svg { --ink: #1b1f24; --faint: #c9ced6; --s0: #0a6fb8; --s1: #d1570b; --s2: #0a8a63; --s3: #a64b86;
  font: 12px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6e9ee; --faint: #454c57;
    --s0: #5cb3f0; --s1: #ff9d57; --s2: #4fd1a5; --s3: #e394c6; }
}
svg text { fill: var(--ink); } svg .faint { stroke: var(--faint); stroke-width: 1; fill: none; }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .ink { stroke: var(--ink); stroke-width: 1.5; }
""" + "".join(
    f"svg .l{n} {{ stroke: var(--s{n}); }} svg .f{n} {{ fill: var(--s{n}); }}\n"
    for n in range(SERIES)
)

Points = Sequence[tuple[float, float]]


def standalone(svg: str) -> str:
    """An SVG file that carries its own style."""
    style = f"><style>{STYLE}svg {{ color-scheme: light dark; background: Canvas; }}</style>"
    # The namespace is a name, not an address: nothing is fetched from it.
    return svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1).replace(">", style, 1)


def lines(
    series: Mapping[str, Points],
    x_label: str,
    y_label: str = "",
    *,
    unit_x: bool = False,
    unit_y: bool = True,
    marks: Points = (),
    diagonal: bool = False,
) -> str:
    """A line chart whose y starts at 0.

    Args:
        series: points by name, at most four series.
        x_label, y_label: of the axes.
        unit_x: x runs from 0 to 1; else over the data.
        unit_y: y runs to 1; else over the data.
        marks: points to be ringed.
        diagonal: draw y = x.
    """
    xs = [x for points in series.values() for x, _ in points]
    low, high = (0.0, 1.0) if unit_x or not xs else (min(xs), max(xs))
    span = high - low or 1.0
    top = 1.0 if unit_y else max((y for points in series.values() for _, y in points), default=1.0)
    top = top if top > 0 else 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - low) / span * (WIDTH - LEFT - RIGHT)
        return across, TOP + (1 - max(y, 0) / top) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        (x0, y), (x1, _) = at(low, tick * top), at(low + span, tick * top)
        parts.append(f'<path class="faint" d="M{x0:.1f} {y:.1f}H{x1:.1f}"/>')
        parts.append(_text(x0 - 6, y + 4, f"{tick * top:.3g}", "end"))
        x, bottom = at(low + tick * span, 0)
        value = low + tick * span
        parts.append(_text(x, bottom + 16, f"{value:.0f}" if high > 2 else f"{value:g}", "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_label, "middle"))
    if y_label:
        turned = f'transform="rotate(-90 12 {HEIGHT / 2:.0f})"'
        parts.append(_text(12, HEIGHT / 2, y_label, "middle", turned))
    if diagonal:
        (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
        parts.append(
            f'<path class="faint" stroke-dasharray="4 4" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>'
        )
    for number, (name, points) in enumerate(series.items()):
        way = "L".join("{:.1f} {:.1f}".format(*at(x, y)) for x, y in points)
        if way:
            parts.append(f'<path class="line l{number}" d="M{way}"/>')
        if len(points) <= 40:
            parts += [_dot(*at(x, y), f"f{number}", f"{name}: {y:.3f} at {x:g}") for x, y in points]
        parts.append(_legend(number, name))
    for x, y in marks:
        across, down = at(x, y)
        parts.append(f'<circle class="ink" fill="none" cx="{across:.1f}" cy="{down:.1f}" r="6"/>')
    return _svg(WIDTH, HEIGHT, parts)


def bars(rows: Sequence[tuple[str, float, str]], highest: float | None = None) -> str:
    """Horizontal bars.

    Args:
        rows: name, value (at least 0), and what is written behind the bar.
        highest: the value of a full bar; the largest if None.
    """
    full = highest or max((value for _, value, _ in rows), default=0) or 1.0
    # Wide enough for the longest name, as far as the bars stay long enough to be compared.
    label = min(300, max(168, *(7 * len(name) + 8 for name, _, _ in rows), 0))
    tail = 96
    parts = []
    for number, (name, value, text) in enumerate(rows):
        y = number * ROW
        length = max(0.0, value) / full * (WIDTH - 108 - tail)
        parts.append(_text(label - 8, y + 17, name, "end"))
        box = f'x="{label}" y="{y + 5}" width="{max(length, 1):.1f}" height="16" rx="2"'
        parts.append(f'<rect class="f0" {box}/>')
        parts.append(_text(label + length + 6, y + 17, text))
    return _svg(WIDTH - 108 + label, max(1, len(rows)) * ROW, parts)


def intervals(rows: Sequence[tuple[str, float, tuple[float, float] | None, str]]) -> str:
    """Values with their intervals, one a row, on one axis around all of them and 0.

    Args:
        rows: name, value, interval, and what is written behind it.
    """
    ends = [0.0] + [end for _, value, found, _ in rows for end in (found or (value, value))]
    low, high = min(ends), max(ends)
    span = high - low or 1.0
    label, tail = 168, 150
    width = WIDTH + 160

    def at(value: float) -> float:
        return label + (value - low) / span * (width - label - tail)

    parts = [f'<path class="faint" d="M{at(0):.1f} 0V{len(rows) * ROW}"/>']
    for number, (name, value, found, text) in enumerate(rows):
        y = number * ROW + 13
        parts.append(_text(label - 8, y + 4, name, "end"))
        if found:
            parts.append(f'<path class="line l0" d="M{at(found[0]):.1f} {y}H{at(found[1]):.1f}"/>')
        parts.append(_dot(at(value), y, "f0", text))
        parts.append(_text(at(found[1] if found else value) + 8, y + 4, text))
    return _svg(width, max(1, len(rows)) * ROW, parts)


def _legend(number: int, name: str) -> str:
    x = LEFT + 88 * number
    return f'<path class="line l{number}" d="M{x} 10h16"/>' + _text(x + 21, 14, name)


def _dot(x: float, y: float, css: str, title: str) -> str:
    return (
        f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
        f"<title>{escape(title)}</title></circle>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        f"{''.join(parts)}</svg>"
    )
