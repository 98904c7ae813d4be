"""What is played while processes are killed, calls fail and the power goes: each scenario has a
beginning (prepare), what happens (perform, under the tracer), what an administrator's cron job does
afterwards (recover), and what must be true then (check)."""

import os
import signal
import subprocess
import threading
import time

from listening import Client
from place import HANGS, Run, Node  # noqa: F401
from promise import Letter, check_letters, check_rest
from sandbox import BUILD, EX_OK, wait_until


class Scenario:
    """rows: of the table of hard cases. options: of the tracer, always."""

    name = ""
    options = ()
    may_leave = ()  # names beside the queue and the mailboxes

    def prepare(self, place):
        """Makes the beginning; what is on disk afterwards is where every turn begins."""

    def argv(self, place):
        raise NotImplementedError

    def stdin(self, _place):
        return b""

    def perform(self, place, options):
        return place.trace([*self.options, *options], self.argv(place), stdin=self.stdin(place))

    def is_done(self, run):
        """Whether the caller was told that it is done."""
        return run.status == EX_OK

    def recover(self, place, _run):
        place.smarthost.patient = True
        place.flush_until_quiet()

    def letters(self, place, run):
        """run None: as if all had gone well."""
        return []

    def check(self, place, run, may_repeat=()):
        return check_letters(place, self.letters(place, run), may_repeat) + check_rest(
            place, self.may_leave)


def queue_letter(place, letter, *options):
    """Puts it into the queue; it waits for a run."""
    place.sendmail("-odq", "-i", "-f", place.user, "-V", letter.tag, *options, *letter.fates,
                   stdin=letter.text, check=EX_OK)


def mine(place):
    return f"{place.user}@here.example"


# --- a submission ---


class Submission(Scenario):
    """Two recipients, into a queue that is not there yet."""

    name = "submission"
    deliver = "-odq"

    def letter(self, place, promised):
        return Letter("m1", {mine(place): "here", "you@example.net": "away"}, promised,
                      body=b"a line of sixty bytes, to make it some blocks long: abcdefgh\n" * 200)

    def argv(self, place):
        return ["sendmail", "-C", place.config, self.deliver, "-i", "-f", place.user, "-V", "m1",
                *self.letter(place, True).fates]

    def stdin(self, place):
        return self.letter(place, True).text

    def letters(self, place, run):
        return [self.letter(place, run is None or self.is_done(run))]


class SubmissionWithNames(Submission):
    """Where files without a name are not to be had."""

    name = "submission, O_TMPFILE unknown"
    options = ("-u",)


class SubmissionAndRun(Submission):
    """In the background, as it usually is: front door, runner, helper and SMTP client."""

    name = "submission with its run"
    deliver = "-odb"

    def prepare(self, place):
        place.sendmail("-q", check=EX_OK)


# --- queue runs ---


class QueueRun(Scenario):
    argv_of_run = ("postrider-run", "-C")

    def argv(self, place):
        return [*self.argv_of_run, place.config]


class Delivery(QueueRun):
    """To the mailbox, the smarthost, an alias of both, one that is refused, one that has to wait and
    one that does not exist; a success is to be reported of some."""

    name = "delivery with mixed outcomes"

    def made(self, place):
        return [
            Letter("m1", {mine(place): "here", "you@example.net": "away",
                          "refused@example.net": "failed", "slow@example.net": "away",
                          "nobody-here@here.example": "failed"}),
            Letter("m2", {"you@example.net": "away"}),
            Letter("m3", {mine(place): "here"})]

    def prepare(self, place):
        place.smarthost.patient = False
        for letter in self.made(place):
            queue_letter(place, letter)

    def perform(self, place, options):
        place.smarthost.patient = False
        return super().perform(place, options)

    def letters(self, place, run):
        return self.made(place)


class Reports(Delivery):
    """Failures, a delay and successes, and an alias whose members stand for it."""

    name = "bounces, delays, successes reported"

    def made(self, place):
        return [Letter("m1", {"nobody-here@here.example": "failed", "refused@example.net": "failed",
                              "you@example.net": "away", "slow@example.net": "away"},
                       reports={"you@example.net": {"relayed"}, "slow@example.net": {"relayed"}}),
                Letter("m2", {"team@here.example": "here", "other@example.net": "away"},
                       reports={"team@here.example": {"expanded"}})]

    def prepare(self, place):
        place.smarthost.patient = False
        place.configure(queue="warn = 1s\nretry = 1h")
        place.aliases(f"team: {place.user}, other@example.net\n")
        first, second = self.made(place)
        queue_letter(place, first, "-N", "success,failure,delay")
        second.fates.pop("other@example.net")
        queue_letter(place, second, "-N", "success,failure,delay")
        time.sleep(1.1)


class Rate(QueueRun):
    """A next hop with a limit, whose memory of what went is written anew."""

    name = "a smarthost with a rate"

    def made(self, _place):
        return [Letter(f"m{number}", {"you@example.net": "away"}) for number in (1, 2)]

    def prepare(self, place):
        place.configure(smarthost="rate = 100/h")
        for letter in self.made(place):
            queue_letter(place, letter)

    def letters(self, place, run):
        return self.made(place)


# --- the mailbox ---


class Append(Scenario):
    """The helper by itself, with a long message, behind an older one."""

    name = "appending to a mailbox"
    old = b"From other Thu Jan  1 00:00:00 2026\nSubject: m0\n\nolder\n\n"
    entry = (b"From a Thu Jan  1 00:00:00 2026\nX-Postrider-Id: 0123456789abcde\n"
             b"Subject: m1\n\n" + b"a line of sixty bytes, to make it some blocks long: abcdefgh\n"
             * 2500 + b"\n")

    def prepare(self, place):
        (place.mail / place.user).write_bytes(self.old)

    def argv(self, place):
        return ["postrider-mailbox", "deliver", place.user, place.mail, str(len(self.entry))]

    def stdin(self, _place):
        return self.entry

    def recover(self, place, run):
        place.age_locks()
        place.run([*map(str, self.argv(place)), "0123456789abcde"], stdin=self.entry, check=EX_OK)

    def letters(self, place, run):
        return [Letter("m0", {mine(place): "here"}, body=b"older\n"),
                Letter("m1", {mine(place): "here"},
                       body=self.entry.partition(b"\n\n")[2].rstrip(b"\n") + b"\n")]


# --- what people do with the queue ---


class Verb(Scenario):
    """One word to postrider about a message for the mailbox and the smarthost."""

    words = ()

    def made(self, place):
        return Letter("m1", {mine(place): "here", "you@example.net": "away"})

    def prepare(self, place):
        queue_letter(place, self.made(place))
        (self.id,) = place.letters()

    def argv(self, place):
        return ["postrider", "queue", *self.words, "-C", place.config, self.id]

    def letters(self, place, run):
        return [self.made(place)]


class Hold(Verb):
    name, words = "queue hold", ("hold",)

    def recover(self, place, run):
        self.kept = True
        super().recover(place, run)
        if self.is_done(run):
            self.kept = place.letters() == [self.id] and not place.mailbox_bytes()
        place.postrider("queue", "release", self.id)
        place.wait_quiet()
        place.flush_until_quiet()

    def check(self, place, run, may_repeat=()):
        faults = [] if self.kept else ["a held message was not kept"]
        return faults + super().check(place, run, may_repeat)


class Release(Verb):
    name, words = "queue release", ("release",)

    def prepare(self, place):
        super().prepare(place)
        place.postrider("queue", "hold", self.id, check=EX_OK)

    def recover(self, place, run):
        super().recover(place, run)
        if place.letters():
            self.stays = self.is_done(run)
            place.postrider("queue", "release", self.id)
            place.wait_quiet()
            place.flush_until_quiet()
        else:
            self.stays = False

    def check(self, place, run, may_repeat=()):
        faults = ["a released message stays held"] if self.stays else []
        return faults + super().check(place, run, may_repeat)


class Delete(Verb):
    name, words = "queue delete", ("delete", "--yes")

    def letters(self, place, run):
        # What is taken out is gone; until then it may be delivered, once.
        if run is None or self.is_done(run):
            return []
        letter = self.made(place)
        letter.promised = False
        return [letter]


class Bounce(Verb):
    name, words = "queue bounce", ("bounce", "--yes")

    def check(self, place, run, may_repeat=()):
        gone, back = self.made(place), self.made(place)
        back.fates = dict.fromkeys(back.fates, "failed")
        ways = [[back]] if run is None or self.is_done(run) else [[back], [gone]]
        found = [check_letters(place, letters, may_repeat) for letters in ways]
        return min(found, key=len) + check_rest(place, self.may_leave)


class Retry(Verb):
    name, words = "queue retry", ("retry",)


# --- files of other kinds ---


class Newaliases(Scenario):
    """The database is made anew from a changed text."""

    name = "newaliases"
    may_leave = ("aliases.db",)

    def prepare(self, place):
        place.aliases("".join(f"old{number}: {place.user}\n" for number in range(60)))
        place.newaliases(check=EX_OK)
        place.aliases("".join(f"new{number}: {place.user}\n" for number in range(90)))

    def argv(self, place):
        return ["newaliases", "-C", place.config]

    def recover(self, place, run):
        self.before = self.look(place, "new50")
        place.newaliases(check=EX_OK)
        self.after = self.look(place, "new50")

    def look(self, place, name):
        done = place.sendmail("-bv", name)
        return done.returncode == EX_OK and place.user in done.out

    def check(self, place, run, may_repeat=()):
        faults = [] if self.before else ["a lookup right after it does not see what the text says"]
        faults += [] if self.after else ["a lookup after the next newaliases fails"]
        return faults + check_rest(place, self.may_leave)


class Passwd(Scenario):
    """A second user of the listener."""

    name = "postrider passwd"
    may_leave = ("users",)

    def prepare(self, place):
        place.postrider("passwd", "--file", place.root / "users", "anna", stdin="anna's secret\n",
                        check=EX_OK)

    def argv(self, place):
        return ["postrider", "passwd", "-C", place.config, "--file", place.root / "users", "ben"]

    def stdin(self, _place):
        return b"ben's secret\n"

    def is_known(self, place, name):
        done = place.postrider("passwd", "--file", place.root / "users", "--check", name,
                               stdin=f"{name}'s secret\n")
        return done.returncode == EX_OK

    def recover(self, place, run):
        self.faults = [] if self.is_known(place, "anna") else ["a user is lost"]
        if self.is_done(run) and not self.is_known(place, "ben"):
            self.faults.append("the new user is not there")
        place.postrider("passwd", "--file", place.root / "users", "ben", stdin="ben's secret\n",
                        check=EX_OK)
        if not (self.is_known(place, "anna") and self.is_known(place, "ben")):
            self.faults.append("a user is lost with the next change")

    def check(self, place, run, may_repeat=()):
        return self.faults + check_rest(place, self.may_leave)


class DkimKey(Scenario):
    """A key that signs mail."""

    name = "postrider dkim-key"
    may_leave = ("dkim",)

    def argv(self, place):
        return ["postrider", "dkim-key", "-C", place.config, "--type", "ed25519", "here.example"]

    def recover(self, place, run):
        show = place.postrider("dkim-key", "--show", "here.example")
        self.faults = []
        if self.is_done(run) and show.returncode != EX_OK:
            self.faults.append("the key that was made is not there")
        if show.returncode != EX_OK:
            place.postrider("dkim-key", "--type", "ed25519", "here.example", check=EX_OK)
            place.postrider("dkim-key", "--show", "here.example", check=EX_OK)

    def check(self, place, run, may_repeat=()):
        names = [path.name for path in (place.root / "dkim").iterdir()]
        if names != ["here.example.pem"]:
            self.faults.append(f"there are {names}")
        return self.faults + check_rest(place, self.may_leave)


SCENARIOS = [Submission, SubmissionWithNames, SubmissionAndRun, Delivery, Reports, Rate, Append, Hold, Release, Delete, Bounce, Retry, Newaliases, Passwd, DkimKey]
