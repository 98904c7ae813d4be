#!/usr/bin/python3
"""What the listener costs in memory: idle, and for each open session, in clear and over TLS.

tests/bench/listen.py [SESSIONS]    200 of each by default; 20 will do for a look
"""

import resource
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "program"))

from listening import Listening  # noqa: E402  (the path comes first)

MESSAGE = b"Subject: a report\r\n\r\n" + b"one line of text\r\n" * 500


def memory(*pids):
    """Sums of KB: proportional set size, and what belongs to one process alone and was written."""
    sums = {"Pss": 0, "Private_Dirty": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            key, _, rest = line.partition(":")
            if key in sums:
                sums[key] += int(rest.split()[0])
    return sums


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem",
                    "-out", folder / "crt.pem"], check=True, stderr=subprocess.DEVNULL)
    return f"tls_certificate = {folder}/crt.pem\ntls_key = {folder}/key.pem"


def show(what, sums, count=1):
    print(f"  {what:36} {sums['Pss'] / count:8.0f} KB  {sums['Private_Dirty'] / count:8.0f} KB",
          flush=True)


def measure(here, what, count, prepare):
    """So many sessions at the same point of their dialogue."""
    with ExitStack() as stack:
        for _ in range(count):
            prepare(stack.enter_context(here.client()))
        sessions = here.sessions()
        assert len(sessions) == count
        show(what, memory(*sessions), count)
    here.wait_until(lambda: not here.sessions(), what="the end of the sessions")


def greeted(client):
    client.ehlo()


def encrypted(client):
    client.ehlo()
    client.starttls()
    client.ehlo()


def used(client):
    encrypted(client)
    for _ in range(2):
        client.message("a@sender.example", "postmaster@here.example", MESSAGE)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    limits = f"max_connections = {count + 10}\nmax_connections_per_client = {count + 10}"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count * 4 + 200, hard), hard))
    with tempfile.TemporaryDirectory() as folder:
        tls = certificate(Path(folder))
        print(f"{count} sessions at a time     {'':12} {'PSS':>8}     {'private dirty':>13}")
        with Listening(listen=f"{limits}\ntls = off") as here:
            show("idle listener without TLS", memory(here.listener.pid))
            measure(here, "a session in clear", count, greeted)
        with Listening(listen=f"{limits}\ntls = starttls\n{tls}") as here:
            show("idle listener with TLS", memory(here.listener.pid))
            measure(here, "a session in clear", count, greeted)
            measure(here, "a session over TLS", count, encrypted)
            measure(here, "the same after two messages", count, used)
    return 0


if __name__ == "__main__":
    sys.exit(main())
