"""What is made of the figures: words on the terminal, and the table in the README."""

import os
import platform
import re
from pathlib import Path

from machines import REPOSITORY
from record import (RATES, TIMES, best, is_better_or_worse, most_exponent, show_done,
                    show_value, show_work)

README = REPOSITORY / "README.md"
FIRST, LAST = "<!-- figures, by tests/bench/peers.py -->\n", "<!-- end of figures -->\n"
DISK = "the disk alone"
MOST_MB = {"submission": 3, "queue, a run with nothing due": 10}  # of Postrider, however long the queue
FIGURES = REPOSITORY / "tests" / "bench" / "figures"  # .csv, .svg: of which the README has a part


def ratio(figure, values):
    """Postrider's value by that of the best of the others; None: there is no such thing."""
    others = [value for who, value in values.items() if who not in ("postrider", DISK)]
    if "postrider" not in values or not others or not is_better_or_worse(figure):
        return None
    other = best(figure, others)
    return values["postrider"] / other if other else None


def show(record):
    """Postrider beside the best of the others, and all of them."""
    print()
    for work, size, figure in record.works():
        values = record.medians(work, size, figure)
        words = ", ".join(f"{who} {show_value(value)}{show_done(record.done(work, size, figure, who))}"
                          for who, value in values.items())
        times = ratio(figure, values)
        print(f"{show_work(work, size)}, {figure}: {words}"
              + (f"  postrider to the best of the others: {times:.2f}" if times else ""))


def too_steep(record):
    """Says how time grows with the work; what of Postrider grows faster than n log n."""
    print("\nseconds grow with the work n as n to the power of")
    found = []
    for work, figure, fewer, more, who, exponent in record.growth():
        bad = exponent > most_exponent(fewer, more)
        print(f"  {f'{show_work(work, fewer)} to {more}':46} {who:14} {exponent:5.2f}"
              + ("  more than n log n" if bad else ""))
        if bad and who == "postrider":
            found.append(f"{work}, {figure}")
    return found


def too_large(record):
    """Says where Postrider takes more memory than it may."""
    found = []
    for work, size, figure in record.works():
        if figure == "peak_mb" and work in MOST_MB:
            most = record.medians(work, size, figure)["postrider"]
            if most > MOST_MB[work]:
                found.append(work)
                print(f"{show_work(work, size)}: {most:.1f} MB, more than {MOST_MB[work]}")
    return found


def describe_machine(disk):
    """In a line: processor, memory, file system of the disk, kernel, distribution."""
    def read(path, pattern):
        found = re.search(pattern, Path(path).read_text(encoding="utf-8"), re.MULTILINE)
        return found.group(1) if found else "?"
    kind, mount = "?", ""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, name, *_ = line.split()
        inside = f"{Path(disk).resolve()}/".startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(mount):
            kind, mount = name, place
    gigabytes = int(read("/proc/meminfo", r"^MemTotal: *(\d+)")) / 1024 ** 2
    return (f"{os.cpu_count()} processors ({read('/proc/cpuinfo', '^model name.*: (.*)')}), "
            f"{gigabytes:.0f} GB of memory, {kind}, Linux {platform.release()}, "
            f"{read('/etc/os-release', '^PRETTY_NAME=.(.*).$')}")


def table(record):
    """Of speed, and of what a submission costs; all programs, and how time grows with the work."""
    others = [who for who in record.who() if who not in ("postrider", DISK)]
    who = ["postrider", *others] + [DISK] * (DISK in record.who())
    lines = [f"| | {' | '.join(who)} | growth |", "|---|" + "---|" * (len(who) + 1)]
    growth = {(work, figure, more): exponent
              for work, figure, _, more, name, exponent in record.growth() if name == "postrider"}
    for work, size, figure in record.works():
        if figure not in RATES + TIMES and work != "submission" and not work.startswith("large"):
            continue
        values = record.medians(work, size, figure)
        cells = [show_value(values[one]) + show_done(record.done(work, size, figure, one))
                 if one in values else "" for one in who]
        exponent = growth.get((work, figure, size))
        lines.append(f"| {show_work(work, size)}, {figure.replace('_', ' ')} | {' | '.join(cells)} | "
                     + (f"{exponent:.2f} |" if exponent is not None else "|"))
    return "\n".join(lines) + "\n"


def write_readme(record, disk, date, path=README):
    """Puts the newest figures between the two markers."""
    text = path.read_text(encoding="utf-8")
    before, first, rest = text.partition(FIRST)
    _, last, after = rest.partition(LAST)
    assert first and last, f"{path} has no place for figures"
    head = (f"\nMeasured {date} on {describe_machine(disk)}; each work in one run, in turns. `growth`:\n"
            "time grows with the work to that power, for Postrider. The whole [as a picture]"
            "(tests/bench/figures.svg)\nand [as CSV](tests/bench/figures.csv).\n\n")
    path.write_text(before + first + head + table(record) + "\n" + last + after, encoding="utf-8")
