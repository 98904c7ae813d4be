"""The SMTP client alone as a program, for tests of it: smtp_client.c linked with the objects of the
build under test. `from smtpclient import *` brings the fixtures program, certificates, deliver, tls.
"""

import os
import subprocess
from pathlib import Path

import pytest

from cprogram import build_program
from sandbox import SANITIZER_FOUND
from smtpfake import PASSWORD, USER, Certificates, FakeServer

__all__ = ["BODY", "Outcome", "Report", "SIGN_IN", "certificates", "deliver", "program", "tls"]

BODY = "Subject: test\n\nwords\n"


@pytest.fixture(scope="session")
def program():
    return Path(os.environ.get("POSTRIDER_SMTP_CLIENT") or build_program("smtp_client"))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Outcome:
    def __init__(self, result, status, reason):
        self.result, self.status, self.reason = result, status, reason

    def __repr__(self):
        return f"{self.result} {self.status} {self.reason}"


class Report:
    """What the client printed: .recipients by (file, address), .session, .transactions, .trace."""

    def __init__(self, done):
        assert done.returncode == 0, done.stderr.decode(errors="backslashreplace")
        self.recipients, self.finished, self.dsn_passed = {}, [], {}
        self.agains, self.abrupt = 0, False
        self.trace = done.stderr.decode("utf-8", "backslashreplace")
        for line in done.stdout.decode("utf-8", "backslashreplace").splitlines():
            kind, *values = line.split("\t")
            if kind == "recipient":
                key = (Path(values[0]).name, values[1])
                assert key not in self.recipients, "finished twice"
                self.recipients[key] = Outcome(*values[2:])
            elif kind == "again":
                self.agains += 1
            elif kind == "abrupt":
                self.abrupt = True
            elif kind == "message":
                self.finished.append(Path(values[0]).name)
                self.dsn_passed[self.finished[-1]] = values[1] == "yes"
            elif kind == "session":
                self.session = Outcome(*values)
            elif kind == "transactions":
                self.transactions = int(values[0])
            else:
                self.memory = int(values[0])
        # In the order in which they were given, not finished.
        self.recipients = dict(sorted(self.recipients.items(), key=lambda x: int(x[0][0][1:])))

    @property
    def results(self):
        return [outcome.result for outcome in self.recipients.values()]

    @property
    def only(self):
        (outcome,) = self.recipients.values()
        return outcome


@pytest.fixture
def deliver(program, tmp_path):
    """deliver(servers, messages, option=...): a message is a body, or (lines, body)."""
    count = 0

    def run(servers, *messages, env=None, limit=60, **options):
        nonlocal count
        paths = []
        for message in messages or [BODY]:
            lines, body = message if isinstance(message, tuple) else ("", message)
            if not any(x.startswith("to ") for x in lines.splitlines()):
                lines += "to to@there.example\n"
            if not any(x.startswith("from ") for x in lines.splitlines()):
                lines = "from from@here.example\n" + lines
            body = body.encode() if isinstance(body, str) else body
            path = tmp_path / f"m{count}"
            count += 1
            path.write_bytes(lines.encode() + b"\n" + body)
            paths.append(path)
        if not isinstance(servers, (list, tuple)):
            servers = [servers]
        hosts = [x.address if isinstance(x, FakeServer) else x for x in servers]
        environment = {"PATH": "/usr/bin:/bin"}
        environment.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        environment.update(env or {})
        done = subprocess.run(
            [program, *(f"{k}={v}" for k, v in options.items()), ",".join(hosts), *paths],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=limit, check=False, env=environment)
        assert done.returncode != SANITIZER_FOUND, done.stderr.decode()
        report = Report(done)
        assert PASSWORD not in report.trace and PASSWORD not in str(report.recipients)
        for server in servers:
            if isinstance(server, FakeServer):
                server.settle()
        return report

    return run


@pytest.fixture
def tls(certificates):
    """Options of a client that trusts the test authority."""
    return {"tls": "starttls", "trust": certificates.ca}


SIGN_IN = {"auth": "auto", "user": USER, "password": PASSWORD}
