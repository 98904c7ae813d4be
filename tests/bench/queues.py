"""A long queue in each program's own form: made from one message that it queued by itself, for a hundred
thousand submissions would take longer than all that is to be measured. Not OpenSMTPD's, whose daemon
reads its queue when it starts: that one gets a shorter queue, by submissions.
"""

import os
import string
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "program"))

from bigqueue import fill  # noqa: E402  (the path comes first)

LATER = 86400
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def write_as(path, data, like):
    """A file with another one's owner and mode."""
    with open(path, "wb") as file:
        file.write(data)
    os.chown(path, like.st_uid, like.st_gid)
    os.chmod(path, like.st_mode & 0o7777)


def base62(number, length):
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits


def postrider(machine, count):
    """Each has been tried, and is not due for an hour."""
    queue = machine.outside(machine.spool)
    owner = (queue / "spool").stat()
    for name in fill(queue, count, count):
        for folder in ("spool", "journal"):
            os.chown(queue / folder / name, owner.st_uid, owner.st_gid)
    for folder in queue.iterdir():
        os.chown(folder, owner.st_uid, owner.st_gid)


def postfix(machine, count):
    """Deferred, with the reason of each; a queue file's time is when it is due."""
    machine.fill(1)
    machine.release()
    machine.begin()
    spool = machine.outside(machine.spool)
    def found(folder):
        return [path for path in spool.glob(f"{folder}/?/*") if path.is_file()]
    machine.world.wait_until(lambda: found("deferred") and found("defer") and
                             not any(os.scandir(spool / "active")), what="a deferred message")
    due = time.time() + LATER
    for first in found("deferred") + found("defer"):
        data, like, hashed = first.read_bytes(), first.stat(), first.parent.parent
        for digit in "0123456789ABCDEF":
            (hashed / digit).mkdir(mode=0o700, exist_ok=True)
            os.chown(hashed / digit, like.st_uid, -1)
        for number in range(1, count):
            # The digit that tells the folder changes with each, as it does with real names.
            name = f"{number:05X}"[::-1] + "ABCDEF"
            write_as(hashed / name[0] / name, data, like)
            os.utime(hashed / name[0] / name, (due, due))
        os.utime(first, (due, due))


def exim(machine, count):
    """The smarthost does not answer, and is not due itself."""
    machine.configure(port=1)
    machine.fill(1)
    machine.world.run(["exim4", "-q"], check=0)
    spool = machine.outside(machine.spool) / "input"
    (head,) = spool.glob("*-H")
    name = head.name[:-2]
    texts = {end: (spool / f"{name}-{end}").read_bytes() for end in "HD"}
    like = head.stat()
    for number in range(1, count):
        other = f"{name[:7]}{base62(number, len(name.split('-')[1]))}{name[-3:]}"
        for end, data in texts.items():
            write_as(spool / f"{other}-{end}", data.replace(name.encode(), other.encode(), 1), like)


def dma(machine, count):
    machine.fill(1)
    spool = machine.outside(machine.spool)
    (first,) = spool.glob("Q*")
    name = first.name[1:]
    data, message, like = first.read_bytes(), (spool / f"M{name}").read_bytes(), first.stat()
    for number in range(1, count):
        other = f"{number:x}.{name.partition('.')[2]}"
        write_as(spool / f"Q{other}", data.replace(name.encode(), other.encode(), 1), like)
        write_as(spool / f"M{other}", message, like)


def nullmailer(machine, count):
    machine.fill(1)
    queue = machine.outside(machine.spool) / "queue"
    (first,) = queue.iterdir()
    data, like = first.read_bytes(), first.stat()
    for number in range(1, count):
        write_as(queue / f"1700000000.{number}", data, like)


def opensmtpd(machine, count):
    machine.fill(count)


MAKERS = {maker.__name__: maker for maker in (postrider, postfix, exim, dma, nullmailer, opensmtpd)}
LONGEST = {"opensmtpd": 1000, "exim": 10000}  # exim starts a process for each message that it looks at


def make(machine, count):
    """The queue has that many messages after it, and no others; False: not for this program."""
    if machine.name not in MAKERS or count > LONGEST.get(machine.name, count):
        return False
    machine.clear()
    MAKERS[machine.name](machine, count)
    return True
