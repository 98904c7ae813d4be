"""Proves that each room of src includes only rooms below it in the list of src/README.md, that
every include is written "room/file.h", and that a library is named in its own room alone.
Prints what is wrong; exit status 1 then."""

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
# Rooms that may name a library's header.
LIBRARIES = {
    "gnutls/": {"net"},
    "gsasl.h": {"net"},
    "crypt.h": {"listen"},
    "db.h": {"base", "route", "filter"},
    "ini.h": {"config"},
    "idn2.h": {"mail"},
    "seccomp.h": {"base"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def rooms():
    """The rooms as src/README.md lists them, the highest first."""
    return re.findall(r"^\| `(\w+)/` \|", (SOURCE / "README.md").read_text(), re.MULTILINE)


def faults():
    order = rooms()
    if len(order) < 5:
        yield "src/README.md: the list of rooms is not there"
    for path in sorted(SOURCE.glob("*/*.[ch]")):
        room = path.parent.name
        if room not in order:
            yield f"{path}: its room is not in src/README.md"
            continue
        allowed = set(order[order.index(room):])
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = INCLUDE.match(line)
            if not include:
                continue
            kind, name = include.groups()
            where = f"{path.relative_to(SOURCE.parent)}:{number}"
            if kind == "<":
                for library, owners in LIBRARIES.items():
                    if (name == library or name.startswith(library)) and room not in owners:
                        yield f"{where}: <{name}> belongs to {', '.join(owners)} alone"
                continue
            other, slash, _ = name.partition("/")
            if not slash or not (SOURCE / name).is_file():
                yield f'{where}: "{name}" is not written "room/file.h"'
            elif other not in allowed:
                yield f"{where}: {room} includes {other}, which is above it"


def main():
    found = list(faults())
    print("\n".join(found) or "every room includes only rooms below it")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
