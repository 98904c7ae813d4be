"""Postfix's own programs for trying SMTP servers, from the package that bootstrap.sh downloads.

They are unpacked, not installed: they read no settings and need no account.
"""

import subprocess

from world import PACKAGES


class PostfixTools:
    """PostfixTools(folder): .smtp_source(sandbox, "host:port", ...) runs one of them to its end."""

    def __init__(self, folder):
        self.folder = folder
        for package in (PACKAGES / "postfix.needs").read_text().split():
            (found,) = PACKAGES.glob(f"{package}_*.deb")
            subprocess.run(["dpkg-deb", "-x", found, folder], check=True)

    def smtp_source(self, sandbox, server, *options, timeout=600):
        """Its exit status is 0 if every message was answered with 250, else it ends at once."""
        libraries = [self.folder / "usr/lib/postfix", *self.folder.glob("usr/lib/*-linux-*")]
        return sandbox.run([self.folder / "usr/sbin/smtp-source", *options, server],
                           env={"LD_LIBRARY_PATH": ":".join(map(str, libraries))}, timeout=timeout)
