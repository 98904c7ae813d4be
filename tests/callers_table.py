#!/usr/bin/python3
"""The table of callers in README.md, made of what tests/program/test_real_callers.py wrote down.

tests/callers_table.py: writes it there, between its two marks
"""

import json
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
README = REPOSITORY / "README.md"
SEEN = REPOSITORY / "build" / "callers.json"
BEGIN = "<!-- callers, by tests/callers_table.py -->\n"
END = "<!-- end of callers -->\n"
# Debian 12 does not have it.
NOT_EVERYWHERE = ["cronie"]


def rows(seen):
    """Name -> its line of the table."""
    found = {}
    for entry in seen:
        commands = "<br>".join(f"`{command}`" for command in entry["commands"])
        found[entry["caller"]] = f"| {entry['caller']} | {entry['package']} | {commands} |\n"
    return found


def in_readme():
    """The table as it is there now."""
    return README.read_text().partition(BEGIN)[2].partition(END)[0]


def table(seen):
    """What is to stand there; what is not in every release is kept as it was where it could not be seen."""
    found = rows(seen)
    kept = {name: line for line in in_readme().splitlines(True)
            if (name := line.split(" | ")[0].removeprefix("| ")) in NOT_EVERYWHERE}
    last = [found.pop(name, kept.get(name, "")) for name in NOT_EVERYWHERE]
    return "".join(["| caller | package | what it calls |\n", "|---|---|---|\n", *found.values(), *last])


def main():
    seen = json.loads(SEEN.read_text())
    failed = [entry["caller"] for entry in seen if entry["result"] != "ok"]
    if failed:
        print(f"callers_table: not all of them worked: {', '.join(failed)}", file=sys.stderr)
        return 1
    before, mark, rest = README.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        print(f"callers_table: {README} does not have the marks", file=sys.stderr)
        return 1
    README.write_text(before + BEGIN + table(seen) + END + after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
