"""Queues of many messages, written by their form (src/queue/format.h, journal.h) and not by us."""

import os
import time

DIGITS = "0123456789abcdefghijklmnopqrstuv"
KINDS = 64  # different messages; so many checksums are computed

TABLE = []
for _byte in range(256):
    _sum = _byte
    for _ in range(8):
        _sum = _sum >> 1 ^ (0x82F63B78 if _sum & 1 else 0)
    TABLE.append(_sum)


def crc32c(data):
    """CRC-32C (RFC 3720 B.4)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def make_id(number, when):
    """As queue_new_id makes them: 11 digits of microseconds, 4 of chance."""
    value = (int(when) * 1000000 + number % 1000000) << 20 | number & 0xFFFFF
    text = ""
    for _ in range(15):
        text = DIGITS[value & 31] + text
        value >>= 5
    return text


def letter(sender, recipients, message, arrived, uid=None, version=1):
    """The bytes of a file in spool/."""
    uid = os.getuid() if uid is None else uid
    lines = [f"time {int(arrived)}", f"user {uid} ", f"from <{sender}>"]
    lines += [f"to <{one}>" for one in recipients]
    rest = "\n".join(lines).encode() + b"\n\n" + message
    return (f"postrider {version}\nsize {len(message):020d} crc {crc32c(rest):08x} flags --\n"
            .encode() + rest)


def folders(queue):
    for name in ("spool", "journal", "corrupt", "hops", "runs"):
        (queue / name).mkdir(parents=True, exist_ok=True)


def put(queue, name, data):
    (queue / "spool" / name).write_bytes(data)


def put_journal(queue, name, lines, due):
    """lines: without the ' .' at their ends."""
    path = queue / "journal" / name
    path.write_text("".join(f"{line} .\n" for line in lines))
    os.utime(path, (due, due))


def fill(queue, count, journals=0, domains=20, due=3600):
    """
    count messages of the last two days to some domains; the first so many with a journal that makes
    them due in so many seconds. Returns the ids.
    """
    folders(queue)
    now = int(time.time())
    spool = os.open(queue / "spool", os.O_RDONLY)
    journal = os.open(queue / "journal", os.O_RDONLY)
    kinds = []
    for kind in range(KINDS):
        arrived = now - 2 * 86400 + kind * (2 * 86400 // KINDS)
        message = (f"Subject: number {kind}\nFrom: <cron@here.example>\n\n"
                   + "a line of text\n" * (10 + kind)).encode()
        kinds.append(letter("cron@here.example", [f"user@d{kind % domains}.example"], message,
                            arrived))
    line = (f"deferred {now} 0 4.4.1 cannot connect to mail.example: Connection refused .\n"
            f"tried {now} .\n").encode()
    ids = []
    for number in range(count):
        name = make_id(number, now - 2 * 86400 + number * 2 * 86400 // count)
        ids.append(name)
        fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=spool)
        os.write(fd, kinds[number * KINDS // count])
        os.close(fd)
        if number < journals:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o640, dir_fd=journal)
            os.write(fd, line)
            os.utime(fd, (now + due, now + due))
            os.close(fd)
    os.close(spool)
    os.close(journal)
    return ids
