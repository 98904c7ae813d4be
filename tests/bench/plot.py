#!/usr/bin/python3
"""The figures of a run as one page of bars, in SVG and with nothing but Python.

tests/bench/plot.py FIGURES.csv PICTURE.svg

A box for each piece of work and figure, a bar for each program; the longest bar of a box is its largest
value. Whether long is good stands beside the figure's name.
"""

import sys
from xml.sax.saxutils import escape

from record import RATES, Record, is_better_or_worse, show_done, show_value, show_work

COLUMNS, WIDTH, NAMES, VALUES = 3, 440, 96, 164  # boxes in a row; pixels
BAR, GAP, HEAD, MARGIN = 13, 4, 40, 18
COLOURS = {"postrider": "#c0392b", "the disk alone": "#aab2b7"}
OTHERS = "#5d7f99"


def text(x, y, words, size=11, anchor="start", weight="normal"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def direction(figure):
    if not is_better_or_worse(figure):
        return ""
    return " (more is better)" if figure in RATES else " (less is better)"


def draw_box(x, y, title, figure, values, marks):
    """The elements of a box whose left upper corner is there; marks: what stands behind a value."""
    drawn = [text(x, y + 12, title, 12, weight="bold"),
             text(x, y + 28, figure.replace("_", " ") + direction(figure), 10)]
    most = max(values.values()) or 1
    for place, (who, value) in enumerate(values.items()):
        top = y + HEAD + place * (BAR + GAP)
        length = (WIDTH - NAMES - VALUES) * value / most
        drawn.append(text(x + NAMES - 6, top + BAR - 3, who, anchor="end"))
        drawn.append(f'<rect x="{x + NAMES}" y="{top}" width="{max(length, 1):.1f}" height="{BAR}" '
                     f'fill="{COLOURS.get(who, OTHERS)}"/>')
        drawn.append(text(x + NAMES + length + 5, top + BAR - 3, show_value(value) + marks[who]))
    return drawn


def draw(record, title):
    """The whole page; each box goes where the columns are shortest."""
    ends = [MARGIN + 34] * COLUMNS
    drawn = []
    for work, size, figure in record.works():
        values = record.medians(work, size, figure)
        column = ends.index(min(ends))
        drawn += draw_box(MARGIN + column * (WIDTH + MARGIN), ends[column], show_work(work, size),
                          figure, values,
                          {who: show_done(record.done(work, size, figure, who)) for who in values})
        ends[column] += HEAD + len(values) * (BAR + GAP) + MARGIN
    width = MARGIN + COLUMNS * (WIDTH + MARGIN)
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{max(ends)}" '
        f'viewBox="0 0 {width} {max(ends)}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        text(MARGIN, MARGIN + 10, title, 15, weight="bold"), *drawn, "</svg>\n"))


def write(record, path, title="Postrider and its peers"):
    with open(path, "w", encoding="utf-8") as file:
        file.write(draw(record, title))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write(Record.read(sys.argv[1]), sys.argv[2])
