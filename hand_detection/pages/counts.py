"""Charts as SVG text: bars and maps of counts, whose parts tell their number on hover."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 420, 220, 44, 42, 10  # pixels
_MOST_LABELS = 12


def bars(labels: Sequence[str], values: Sequence[float], axis: str) -> str:
    """Upright bars. `axis` names what the labels are."""
    most = max([*values, 1])
    inner = _WIDTH - _LEFT - 8
    step = inner / max(1, len(values))
    every = -(-len(labels) // _MOST_LABELS)
    parts = [_text(_LEFT - 6, _TOP + 8, f"{most:,.0f}", "end"), _text(_LEFT - 6, 178, "0", "end")]
    for i, (label, value) in enumerate(zip(labels, values, strict=True)):
        height = (_HEIGHT - _BOTTOM - _TOP) * value / most
        x = _LEFT + i * step
        parts.append(
            f'<rect class="f0" x="{x + 1:.1f}" y="{_HEIGHT - _BOTTOM - height:.1f}" '
            f'width="{max(1.0, step - 2):.1f}" height="{height:.1f}">'
            f"<title>{escape(label)}: {value:,.0f}</title></rect>"
        )
        if i % every == 0:
            parts.append(_text(x + step / 2, _HEIGHT - _BOTTOM + 14, label, "middle"))
    base = _HEIGHT - _BOTTOM
    parts.append(f'<path class="faint" d="M{_LEFT} {base}H{_WIDTH - 8}"/>')
    parts.append(_text(_LEFT + inner / 2, _HEIGHT - 8, axis, "middle"))
    return _svg(_WIDTH, _HEIGHT, parts, axis)


def histogram(values: np.ndarray, edges: Sequence[float], axis: str, form: str = "g") -> str:
    """Bars that count `values` between `edges`; what lies beyond them counts with the ends."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return bars([format(edge, form) for edge in edges[:-1]], counts.tolist(), axis)


def heat_map(grid: np.ndarray, across: str, down: str, aspect: float) -> str:
    """A map of counts: `grid` (rows, columns), the first row on top; `aspect` width / height."""
    width = 360
    height = round(width / aspect)
    rows, columns = grid.shape
    most = max(1, int(grid.max(initial=0)))
    parts = [f'<rect class="faint" x="20" y="4" width="{width}" height="{height}"/>']
    for row, column in np.argwhere(grid):
        count = int(grid[row, column])
        parts.append(
            f'<rect class="f0" x="{20 + column * width / columns:.1f}" '
            f'y="{4 + row * height / rows:.1f}" width="{width / columns:.1f}" '
            f'height="{height / rows:.1f}" opacity="{max(0.06, (count / most) ** 0.5):.2f}">'
            f"<title>{count:,}</title></rect>"
        )
    parts.append(_text(20 + width / 2, height + 20, across, "middle"))
    parts.append(
        f'<text transform="translate(14 {4 + height / 2:.0f}) rotate(-90)" '
        f'text-anchor="middle">{escape(down)}</text>'
    )
    return _svg(width + 24, height + 28, parts, f"{across}, {down}")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: int, height: int, parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
