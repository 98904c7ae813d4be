"""Keys, their records, and verifying what came out with python3-dkim, which knows none of ours."""

import re

import dkim

from sandbox import EX_OK


def make_key(sandbox, domain, *arguments):
    """postrider dkim-key; what it printed, taken apart."""
    return Printed(sandbox.postrider("dkim-key", *arguments, domain, check=EX_OK).out)


class Printed:
    """.zone (the record's lines), .strings, .name, .value, .section (lines for the settings)."""

    def __init__(self, text):
        self.text = text
        before, zone, form, rest = re.fullmatch(
            r"(; The key is in .*\n); Its record, for a zone file:\n(.*?)\n\n"
            r"; The same for a form, name and value:\n(.*?)\n\n(;.*)", text, re.DOTALL).groups()
        self.path = before[len("; The key is in "):-2]
        self.zone = zone
        self.strings = re.findall(r'"([^"]*)"', zone)
        self.name, self.value = form.split("\n")
        self.remark, _, self.section = rest.partition("\n")


def signatures(data):
    """The tags of each DKIM-Signature field, the topmost first."""
    header = data.partition(b"\r\n\r\n")[0] + b"\r\n"
    found = re.findall(rb"^DKIM-Signature:((?:.*\r\n)(?:[ \t].*\r\n)*)", header, re.MULTILINE)
    return [{name.strip(): "".join(value.split())
             for name, _, value in (tag.partition("=") for tag in field.decode().split(";"))}
            for field in found]


def fold_lengths(data):
    """The lengths of the lines of DKIM-Signature fields."""
    header = data.partition(b"\r\n\r\n")[0] + b"\r\n"
    found = re.findall(rb"^DKIM-Signature:(?:.*\r\n)(?:[ \t].*\r\n)*", header, re.MULTILINE)
    return [len(line) for field in found for line in field.split(b"\r\n")]


class Dns:
    """The records of keys, by the name that verifiers ask for."""

    def __init__(self, *printed):
        self.records = {}
        for each in printed:
            self.add(each)

    def add(self, printed):
        self.records[f"{printed.name}."] = "".join(printed.strings).encode()

    def __call__(self, name, timeout=5):
        return self.records.get(name.decode() if isinstance(name, bytes) else name)

    def verifies(self, data, index=0):
        """Whether the signature of this index is good; an error of the verifier is a no."""
        try:
            return dkim.DKIM(data).verify(idx=index, dnsfunc=self)
        except dkim.DKIMException:
            return False
