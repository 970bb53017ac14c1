"""One HTML page that needs nothing but itself, readable on a light and on a dark screen."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from hand_detection.pages.charts import STYLE

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6470; --rule: #d9dde3;
  --paper: #ffffff; --card: #f5f6f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #a2abb8; --rule: #3a414c;
  --paper: #14171b; --card: #1d2127; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1080px; margin: 0 auto; padding: 24px 20px 80px; }
h1 { font-size: 1.6rem; margin: 0 0 4px; } h2 { font-size: 1.2rem; margin: 44px 0 8px; }
p, li { max-width: 75ch; } .soft, figcaption { color: var(--soft); font-size: .92rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 12px 0; }
th, td { padding: 4px 12px 4px 0; text-align: left; border-bottom: 1px solid var(--rule); }
td.n { text-align: right; } th { font-weight: 600; } td { overflow-wrap: anywhere; }
.wide { overflow-x: auto; } .row { display: flex; flex-wrap: wrap; gap: 12px 32px; }
figure { margin: 12px 0; } figure svg { max-width: 100%; height: auto; }
.frames { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 16px; }
.frames figure { margin: 0; background: var(--card); border-radius: 6px; overflow: hidden; }
.frames img { width: 100%; display: block; } .frames figcaption { padding: 6px 10px; }
.key { display: inline-block; width: 14px; height: 14px; vertical-align: -2px; margin: 0 4px 0 12px;
  border: 3px solid; box-sizing: border-box; }
"""


def page(title: str, subtitle: str, sections: Sequence[tuple[str, str]]) -> str:
    """A whole document.

    Args:
        title, subtitle: text.
        sections: heading (text) and content (HTML) of each; the empty are left out.
    """
    body = "\n".join(
        f"<section><h2>{escape(heading)}</h2>\n{content}</section>"
        for heading, content in sections
        if content
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}{STYLE}</style></head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p class=soft>{escape(subtitle)}</p>\n{body}\n</body></html>\n"
    )


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>\n"


def bullets(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows of text and numbers; a float is shown with three places, None as a dash."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>\n" for row in rows)
    whole = f"<table><thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table>"
    return f"<div class=wide>{whole}</div>\n"


def figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>\n"


def picture(jpeg: bytes, caption: str) -> str:
    """A figure of an encoded image, which becomes part of the page."""
    data = base64.b64encode(jpeg).decode()
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{escape(caption)}" loading=lazy>'
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )


def frames(*pictures: str) -> str:
    """Pictures side by side, all of one width."""
    return f"<div class=frames>{''.join(pictures)}</div>\n"


def row(*figures: str) -> str:
    return f"<div class=row>{''.join(figures)}</div>\n"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"<td class=n>{value:.3f}</td>"
    if isinstance(value, int):
        return f"<td class=n>{value:,}</td>"
    return f"<td>{'-' if value is None else escape(str(value))}</td>"


def between(interval: Sequence[float] | None) -> str:
    """An interval as text."""
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-"
