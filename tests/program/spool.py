"""Reading what the front door put into a queue, for tests: the form is that of src/queue/format.h."""

import email
import email.policy
import os
import pwd
import shutil


class QueuedLetter:
    """.sender, .recipients, .notify (by recipient), .envid, .ret, .user, .message (bytes)."""

    def __init__(self, data):
        envelope, self.message = data.split(b"\n\n", 1)
        self.sender = None
        self.recipients = []
        self.notify = {}
        self.envid = self.ret = self.user = None
        lines = envelope.decode().split("\n")
        assert lines[0] == "postrider 1"
        for line in lines[1:]:
            word, _, rest = line.partition(" ")
            if word == "from":
                self.sender = rest[1:-1]
            elif word == "to":
                self.recipients.append(rest[1:-1])
            elif word == "notify":
                self.notify[self.recipients[-1]] = rest
            elif word in ("envid", "ret", "user"):
                setattr(self, word, rest)

    @property
    def header(self):
        return self.message.split(b"\n\n", 1)[0]

    @property
    def body(self):
        return self.message.split(b"\n\n", 1)[1]

    @property
    def parsed(self):
        return email.message_from_bytes(self.message, policy=email.policy.compat32)


def queued(sandbox, name=None):
    """The one letter of a sandbox's queue, or the one of this name."""
    return QueuedLetter(sandbox.letter(name))


def spool_files(sandbox):
    """Every name in spool/, unfinished files too, but for the mark for the runner."""
    spool = sandbox.queue / "spool"
    return [name for name in os.listdir(spool) if name != ".wake"] if spool.is_dir() else []


def lend_to_nobody(sandbox):
    """
    Options for sandbox.run that make an unprivileged user the caller, to whom the sandbox then
    belongs: nobody when the tests run as root, else whoever runs them. He has copies of the
    programs there: a folder of root's that they were built in may be closed to him.
    """
    if os.getuid() != 0:
        return {}
    entry = pwd.getpwnam("nobody")
    programs = sandbox.folder / "programs"
    programs.mkdir()
    for path in sandbox.build.iterdir():
        if path.is_file() and os.access(path, os.X_OK):
            shutil.copy2(path, programs / path.name, follow_symlinks=False)
    sandbox.build = programs
    for folder, _, files in os.walk(sandbox.folder):
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        for name in files:
            os.chown(os.path.join(folder, name), entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
