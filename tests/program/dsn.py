"""A strict reader of delivery status notifications (RFC 3464, 6522, 6533), for tests.

    report = read_report(bytes)       every rule is asserted; what was read comes back as a Report
    report = the_report(sandbox)      the only report in the sandbox's mailbox
    reports_in(sandbox)               all of them, read by the same rules
"""

import email
import email.policy
import email.utils
import quopri
import re

LINE_LONGEST = 998
FOLDED = 100  # columns of a line that has a space to be folded at
ACTIONS = {"failed", "delayed", "delivered", "relayed", "expanded"}
STATUS = {"failed": "[45]", "delayed": "4", "delivered": "2", "relayed": "2", "expanded": "2"}
PER_MESSAGE = {"original-envelope-id", "reporting-mta", "dsn-gateway", "received-from-mta",
               "arrival-date"}
PER_RECIPIENT = {"original-recipient", "final-recipient", "action", "status", "remote-mta",
                 "diagnostic-code", "last-attempt-date", "final-log-id", "will-retry-until"}
DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} "
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d [+-]\d{4}")
STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
ORIGINAL_TYPES = ("message/rfc822", "message/global", "text/rfc822-headers",
                  "message/global-headers")


class Report:
    """.header, .text (words for people), .message and .recipients (fields, names in lower case),
    .original_type, .original (bytes), .whole (the original is not only its header), .raw."""

    @property
    def only(self):
        """The fields of the only recipient."""
        (fields,) = self.recipients
        return fields

    @property
    def actions(self):
        """address: action."""
        return {address_of(one["final-recipient"]): one["action"] for one in self.recipients}


def address_of(field):
    """"rfc822; user@example.org" to the address."""
    kind, _, address = field.partition(";")
    assert kind.strip() in ("rfc822", "utf-8"), field
    return address.strip()


def check_date(text):
    assert DATE.fullmatch(text), f"no RFC 5322 date: {text!r}"
    assert email.utils.parsedate_to_datetime(text).tzinfo is not None
    return email.utils.parsedate_to_datetime(text)


def check_lines(raw, ours):
    """raw: with LF line ends. ours: what the program wrote itself, folded as it should be."""
    assert b"\r" not in ours, "a bare CR"
    assert b"\0" not in raw, "a NUL byte"
    for line in raw.split(b"\n"):
        assert len(line) <= LINE_LONGEST, f"a line of {len(line)} bytes"
    for line in ours.split(b"\n"):
        words = line.strip().partition(b" ")
        assert len(line) <= FOLDED or b" " not in words[2], f"not folded: {line!r}"


def split_parts(body, boundary):
    """The parts' exact bytes; the delimiter must be the message's own."""
    assert re.fullmatch(r"[0-9A-Za-z'()+_,./:=?-]{1,70}", boundary), boundary
    mark = re.escape(boundary.encode())
    found = re.split(rb"(?:\A|\n)--" + mark + rb"[ \t]*\n", body)
    last, closing, epilogue = found[-1].partition(b"\n--" + boundary.encode() + b"--")
    assert closing, "the closing delimiter is missing"
    assert not epilogue.strip(), "something stands behind the closing delimiter"
    assert not found[0].strip(), "something stands before the first delimiter"
    assert boundary.encode() not in b"".join(found[1:-1] + [last]), "the boundary stands in a part"
    return found[1:-1] + [last]


def split_entity(raw):
    """(header as email.message.Message, body bytes)"""
    head, _, body = raw.partition(b"\n\n")
    if raw.startswith(b"\n"):
        head, body = b"", raw[1:]
    return email.message_from_bytes(head + b"\n\n"), body


def check_encoding(header, body, whole):
    """What is declared is what is there."""
    declared = (header["Content-Transfer-Encoding"] or "7bit").lower()
    assert declared in ("7bit", "8bit", "quoted-printable"), declared
    eight = any(byte > 127 for byte in whole)
    if declared in ("7bit", "quoted-printable"):
        assert not eight, "8-bit bytes are declared as 7bit"
    if declared == "8bit":
        assert eight, "8bit is declared though nothing needs it"
    if declared == "quoted-printable":
        return quopri.decodestring(body)
    return body


def read_fields(block):
    """The fields of a block as a dict; each is well-formed and there once."""
    fields = {}
    for line in block.split("\n"):
        if line[:1] in (" ", "\t"):
            assert fields and line.strip(), f"a fold without words: {line!r}"
            fields[name] += line
            continue
        name, colon, value = line.partition(":")
        name = name.lower()
        assert colon and re.fullmatch(r"[!-9;-~]+", name), f"no field: {line!r}"
        assert name not in fields, f"{name} stands there twice"
        fields[name] = value
    fields = {name: value.strip() for name, value in fields.items()}
    assert all(fields.values()), f"an empty field in {fields}"
    return fields


def check_type(field, wanted):
    kind, semicolon, rest = field.partition(";")
    assert semicolon and kind.strip().lower() in wanted and rest.strip(), field


def check_recipient(fields):
    assert set(fields) <= PER_RECIPIENT, set(fields) - PER_RECIPIENT
    for name in ("final-recipient", "action", "status"):
        assert name in fields, f"{name} is missing in {fields}"
    check_type(fields["final-recipient"], ("rfc822", "utf-8"))
    assert "@" in address_of(fields["final-recipient"])
    if "original-recipient" in fields:
        check_type(fields["original-recipient"], ("rfc822", "utf-8"))
    action = fields["action"]
    assert action in ACTIONS
    assert re.fullmatch(STATUS[action] + r"\.\d{1,3}\.\d{1,3}", fields["status"]), fields
    if "remote-mta" in fields:
        check_type(fields["remote-mta"], ("dns", "x-unix-socket"))
    if "diagnostic-code" in fields:
        check_type(fields["diagnostic-code"], ("smtp", "x-postrider"))
        if fields["diagnostic-code"].startswith("smtp"):
            assert re.match(r"smtp; [245]\d\d( |$)", fields["diagnostic-code"]), fields
            assert "remote-mta" in fields
    else:
        assert action in ("delivered", "expanded", "delayed", "failed"), fields
    if "last-attempt-date" in fields:
        check_date(fields["last-attempt-date"])
    if action == "delayed":
        check_date(fields["will-retry-until"])
    else:
        assert "will-retry-until" not in fields


def check_header(header):
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
                 "Auto-Submitted"):
        assert len(header.get_all(name, [])) == 1, f"{name} is there {header.get_all(name)} times"
    assert "MAILER-DAEMON@" in header["From"]
    assert header["Auto-Submitted"] == "auto-replied"
    assert header["MIME-Version"] == "1.0"
    assert re.fullmatch(r"<[^<>@\s]+@[^<>@\s]+>", header["Message-ID"])
    check_date(header["Date"])
    assert header.get_content_type() == "multipart/report"
    assert header.get_param("report-type") == "delivery-status"


def read_report(raw):
    """raw: the message, with LF or CRLF line ends."""
    if b"\r\n" in raw:
        assert raw.count(b"\n") == raw.count(b"\r\n"), "mixed line ends"
        raw = raw.replace(b"\r\n", b"\n")
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert not parsed.defects, parsed.defects
    report = Report()
    report.raw = raw
    report.header, body = split_entity(raw)
    check_header(report.header)
    parts = split_parts(body, report.header.get_boundary())
    assert len(parts) == 3, f"{len(parts)} parts"
    check_lines(raw, raw[: raw.rindex(parts[2])])
    eight = [any(byte > 127 for byte in part) for part in parts]
    assert (report.header["Content-Transfer-Encoding"] or "7bit") == (
        "8bit" if any(eight) else "7bit")

    header, text = split_entity(parts[0])
    assert header.get_content_type() == "text/plain"
    text = check_encoding(header, text, parts[0])
    charset = header.get_content_charset()
    assert charset in ("us-ascii", "utf-8")
    report.text = text.decode(charset)
    assert report.text.isprintable() or not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", report.text)
    assert len(report.text.strip()) > 100, "hardly any words for people"

    header, status = split_entity(parts[1])
    assert header.get_content_type() in STATUS_TYPES
    status = check_encoding(header, status, parts[1])
    wide = header.get_content_type() == STATUS_TYPES[1]
    assert wide == any(byte > 127 for byte in status), "the type does not fit the addresses"
    blocks = re.split(r"\n\n+", status.decode("utf-8" if wide else "ascii").strip("\n"))
    assert len(blocks) >= 2, "no recipient"
    report.message, *report.recipients = [read_fields(block) for block in blocks]
    assert set(report.message) <= PER_MESSAGE, set(report.message) - PER_MESSAGE
    check_type(report.message["reporting-mta"], ("dns",))
    check_date(report.message["arrival-date"])
    for fields in report.recipients:
        check_recipient(fields)

    header, original = split_entity(parts[2])
    report.original_type = header.get_content_type()
    assert report.original_type in ORIGINAL_TYPES
    report.original = check_encoding(header, original, parts[2])
    report.whole = report.original_type in ORIGINAL_TYPES[:2]
    if report.original_type in ("message/global", "message/global-headers"):
        head = report.original.partition(b"\n\n")[0]
        assert any(byte > 127 for byte in head.decode("utf-8").encode()), "nothing needs UTF-8"
    if report.original_type == "text/rfc822-headers":
        report.original.decode("ascii")
    if not report.whole:
        assert b"\n\n" not in report.original.rstrip(b"\n"), "more than a header"
    if report.recipients[0]["action"] != "failed":
        assert not report.whole, "only failures give the message back"
    for fields in report.recipients:
        assert fields["action"] == "failed" or report.recipients[0]["action"] != "failed"
    return report


def entries(raw):
    """The messages of an mbox, as bytes without its "From " line and quoting."""
    found = [b"From " + part for part in re.split(rb"(?:\A|\n\n)From ", raw)[1:]]
    return [re.sub(rb"(?m)^>(>*From )", rb"\1", one.partition(b"\n")[2]).rstrip(b"\n") + b"\n"
            for one in found]


def reports_in_mbox(mbox):
    """The reports among the messages of an mbox, read strictly; each came with the null path."""
    found = []
    for raw in entries(mbox):
        if b"\nContent-Type: multipart/report;" not in raw.partition(b"\n\n")[0]:
            continue
        assert b"\nReturn-Path: <>\n" in raw
        found.append(read_report(raw))
    return found


def reports_in(sandbox, user=None):
    return reports_in_mbox(sandbox.mailbox_bytes(user))


def the_report(sandbox):
    (report,) = reports_in(sandbox)
    return report
