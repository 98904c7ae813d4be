"""What is played while processes are killed, calls fail and the power goes: each scenario has a
beginning (prepare), what happens (perform, under the tracer), what an administrator's cron job does
afterwards (recover), and what must be true then (check)."""

import time

from bigqueue import crc32c
from promise import Letter, check_letters, check_rest
from sandbox import BUILD, EX_OK


class Scenario:
    """row: of the table of hard cases, for faults. options: of the tracer, always."""

    name, row = "", "S10"
    options = ()
    may_leave = ()  # names beside the queue and the mailboxes
    lasting = ()  # processes that are there from the beginning to the end
    is_faulty = False  # calls fail: a refusal is no surprise

    @classmethod
    def row_of(cls, kind):
        return cls.row if kind in ("faults", "memory") else "Q1"

    def prepare(self, place):
        """Makes the beginning; what is on disk afterwards is where every turn begins."""

    def argv(self, place):
        raise NotImplementedError

    def stdin(self, _place):
        return b""

    def perform(self, place, options):
        return place.trace([*self.options, *options], self.argv(place), stdin=self.stdin(place))

    def hear(self, run):
        """Takes over what a run that a power cut ended had said until then."""

    def is_done(self, run):
        """Whether the caller was told that it is done."""
        return run.status == EX_OK

    def recover(self, place, _run):
        place.smarthost.patient = True
        place.flush_until_quiet()
        place.check_lock()

    def letters(self, place, run):
        return []

    def check(self, place, run, may_repeat=()):
        return check_letters(place, self.letters(place, run), may_repeat, run.is_cut) + check_rest(
            place, self.may_leave, run.is_cut)


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
        return [self.letter(place, self.is_done(run))]

    def check(self, place, run, may_repeat=()):
        faults = super().check(place, run, may_repeat)
        if self.is_faulty and not self.is_done(run) and (place.mailbox_bytes() or
                                                         place.smarthost.messages):
            faults.append("it was refused, and delivered")
        return faults


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
    lasting = ("0",)

    def argv(self, place):
        return [*self.argv_of_run, place.config]


class Delivery(QueueRun):
    """To the mailbox, the smarthost, an alias of both, one that is refused, one that has to wait and
    one that does not exist; a success is to be reported of some."""

    name = "delivery with mixed outcomes"
    row = "Q6"

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
    row = "L2"

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


class Chunks(Delivery):
    """Messages that are under way together (RFC 3030); one is refused, and one has to wait, in part."""

    name = "several messages under way"
    row = "C2"

    def made(self, place):
        letters = [Letter(f"m{number}", {"you@example.net": "away"}) for number in range(1, 9)]
        letters[3].fates = {"refused@example.net": "failed"}
        letters[5].fates["slow@example.net"] = "away"
        return letters

    def prepare(self, place):
        place.smarthost.extensions.append("CHUNKING")
        super().prepare(place)


class Rate(QueueRun):
    """A next hop with a limit, whose memory of what went is written anew."""

    name = "a smarthost with a rate"
    row = "C14"

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
    row = "Q6"
    old = b"From other Thu Jan  1 00:00:00 2026\nSubject: m0\n\nolder\n\n"
    entry = (b"From a Thu Jan  1 00:00:00 2026\nX-Postrider-Id: 0123456789abcde\n"
             b"Subject: m1\n\n" + b"a line of sixty bytes, to make it some blocks long: abcdefgh\n"
             * 2500 + b"\n")

    def prepare(self, place):
        self.sum = f"{crc32c(self.entry):08x}"
        (place.mail / place.user).write_bytes(self.old)

    def argv(self, place):
        return ["postrider-mailbox", "deliver", place.user, place.mail, str(len(self.entry))]

    def stdin(self, _place):
        return self.entry

    def recover(self, place, run):
        # Who was told that it is done does not ask again.
        if self.is_done(run):
            place.check_lock()
            return
        place.age_locks()
        place.run([*map(str, self.argv(place)), "0123456789abcde", self.sum], stdin=self.entry,
                  check=EX_OK)

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
        if self.is_done(run):
            return []
        letter = self.made(place)
        letter.promised = False
        return [letter]


class Bounce(Verb):
    name, words = "queue bounce", ("bounce", "--yes")

    def check(self, place, run, may_repeat=()):
        # Until it is acknowledged each recipient's may go either way.
        letter, ways = self.made(place), [{}]
        for recipient, fate in letter.fates.items():
            either = ["failed"] if self.is_done(run) else ["failed", fate]
            ways = [{**way, recipient: one} for way in ways for one in either]
        found = []
        for fates in ways:
            letter.fates = fates
            found.append(check_letters(place, [letter], may_repeat, run.is_cut))
        return min(found, key=len) + check_rest(place, self.may_leave, run.is_cut)


class Retry(Verb):
    name, words = "queue retry", ("retry",)
    row = "Q6"


# --- the listener ---


class Inbound(Scenario):
    """Two messages from a peer, and the queue run that the listener starts for them."""

    name = "messages from a peer"
    lasting = ("0", "0.1")
    row = "V8"

    def prepare(self, place):
        place.listen("relay_networks = 127.0.0.0/8")
        place.sendmail("-q", check=EX_OK)

    def made(self, place, acknowledged):
        fates = [{mine(place): "here"}, {mine(place): "here", "you@example.net": "away"}]
        return [Letter(f"m{number}", each, number in acknowledged)
                for number, each in enumerate(fates, 1)]

    def talk(self, client):
        client.ehlo()
        for number, letter in enumerate(self.sending, 1):
            try:
                self.send(client, letter)
                self.acknowledged.add(number)
            except AssertionError as error:
                if not self.is_faulty:
                    raise
                assert str(error)[0] in "45", error
                self.refused.add(number)
                client.command("RSET")
        client.command("QUIT", 221)
        end = time.monotonic() + 0.6
        while self.place.letters() and time.monotonic() < end:
            time.sleep(0.01)

    @staticmethod
    def send(client, letter):
        client.message("a@sender.example", list(letter.fates), letter.text.replace(b"\n", b"\r\n"))

    def perform(self, place, options):
        self.place, self.acknowledged, self.refused = place, set(), set()
        self.sending = self.made(place, ())
        return place.serve([*self.options, *options], self.talk)

    def hear(self, run):
        self.refused = set()
        said = [bytes.fromhex(line[2]) for line in run.record if line[0] == ">"]
        self.acknowledged = set(range(1, 1 + sum(b" taken as " in each for each in said)))

    def is_done(self, run):
        return sorted(self.acknowledged)

    def recover(self, place, run):
        """The next listener takes mail as if nothing had been."""
        self.again = Letter("m3", {mine(place): "here"}, promised=True)
        self.is_well = False

        def talk(client):
            client.ehlo()
            self.send(client, self.again)
            self.is_well = True

        assert place.serve([], talk).status == EX_OK, "the next listener did not end well"
        super().recover(place, run)

    def letters(self, place, run):
        return [*self.made(place, self.acknowledged), self.again]

    def check(self, place, run, may_repeat=()):
        faults = [] if self.is_well else ["the next listener took no message"]
        for number in self.refused:
            if b"Subject: m%d\n" % number in place.mailbox_bytes():
                faults.append(f"m{number} was refused, and delivered")
        return faults + super().check(place, run, may_repeat)


class Greylist(Inbound):
    """One who comes again, and a new one: the memory of both changes."""

    name = "the greylist's memory"
    row = "F2"

    def prepare(self, place):
        place.listen("relay_networks =",
                     "[filter]\ngreylist = on\ngreylist_delay = 1s\ngreylist_window = 1h\n")
        self.codes, self.recipient = [], mine(place)
        place.serve([], self.ask)
        assert self.codes == [451, 451], self.codes
        time.sleep(1.1)

    def ask(self, client, senders=("a@sender.example", "b@sender.example")):
        client.ehlo()
        for sender in senders:
            client.command(f"MAIL FROM:<{sender}>")
            client.send(f"RCPT TO:<{self.recipient}>")
            self.codes.append(client.read()[0])
            client.command("RSET")

    def made(self, place, acknowledged):
        return [Letter("m1", {mine(place): "here"}, 1 in acknowledged)]

    def recover(self, place, run):
        """Whoever is asked to come again is taken then, whatever has become of the memory."""
        self.codes, self.again = [], Letter("m3", {mine(place): "here"}, promised=False)
        known = ("a@sender.example",)
        place.serve([], lambda client: self.ask(client, known))
        place.log_path.unlink(missing_ok=True)
        place.serve([], lambda client: self.ask(client, (*known, "c@sender.example")))
        self.is_well = (len(self.codes) == 3 and set(self.codes) <= {250, 451} and
                        self.codes[2] == 451 and "greylist" not in place.log())
        Scenario.recover(self, place, run)


# --- files of other kinds ---


class Newaliases(Scenario):
    """The database is made anew from a changed text."""

    name = "newaliases"
    row = "Q8"
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
        return faults + check_rest(place, self.may_leave, run.is_cut)


class Passwd(Scenario):
    """A second user of the listener."""

    name = "postrider passwd"
    row = "S5"
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
        return self.faults + check_rest(place, self.may_leave, run.is_cut)


class DkimKey(Scenario):
    """A key that signs mail."""

    name = "postrider dkim-key"
    row = "S5"
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
        return self.faults + check_rest(place, self.may_leave, run.is_cut)


class Setup(Scenario):
    """An account is changed: settings and credentials, each whole at any time."""

    name = "postrider setup"
    row = "S5"

    @staticmethod
    def words(place, user):
        return ["-C", place.config, "--offline", "--yes", "other", "--host",
                place.smarthost.address, "--tls", "off", "--user", user]

    def prepare(self, place):
        place.run(["postrider", "setup", *self.words(place, "anna")], stdin="anna's\n", check=EX_OK)

    def argv(self, place):
        return ["postrider", "setup", *self.words(place, "ben")]

    def stdin(self, _place):
        return b"ben's\n"

    @staticmethod
    def find(place):
        """Whose settings and whose password there are."""
        settings, secret = place.config.read_text(), place.credentials_path.read_text()
        return ([name for name in ("anna", "ben") if f"user = {name}\n" in settings],
                [name for name in ("anna", "ben") if f"password = {name}'s\n" in secret])

    def recover(self, place, run):
        users, passwords = self.find(place)
        self.faults = []
        if len(users) != 1 or len(passwords) != 1 or (self.is_done(run) and
                                                      (users, passwords) != (["ben"], ["ben"])):
            self.faults.append(f"the settings are {users}'s, the password {passwords}'s")
        place.postrider("queue", "list", check=EX_OK)
        place.run([str(BUILD / "postrider"), *map(str, self.argv(place)[1:])],
                  stdin=self.stdin(place), check=EX_OK)
        if self.find(place) != (["ben"], ["ben"]):
            self.faults.append(f"done again it is {self.find(place)}")

    def check(self, place, run, may_repeat=()):
        return self.faults + check_rest(place, self.may_leave, run.is_cut)


SCENARIOS = [Submission, SubmissionWithNames, SubmissionAndRun, Delivery, Reports, Chunks, Rate, Append, Hold,
             Release, Delete, Bounce, Retry, Inbound, Greylist, Newaliases, Passwd, DkimKey, Setup]
