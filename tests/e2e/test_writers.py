"""Several at once on one maildir: the server's deliveries, another program that drops files into new/, one that moves, flags and
deletes files as mutt does, and sessions that read, flag and expunge. Each message has one UID for ever, and no flag is lost."""

import contextlib
import imaplib
import itertools
import os
import pathlib
import random
import re
import shutil
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import FULL, Server, message, wait_until

SECONDS = 120 if FULL else 8
MESSAGES = 3000 if FULL else 150  # each writer stops at so many


def fate(name):
    """What becomes of a message: some files are deleted, some messages expunged, the others stay."""
    return ("unlinked", "expunged", "kept")[int(name.split("-")[1]) % 3]


class Writers(unittest.TestCase):
    def setUp(self):
        self.server = Server(settings={"log.level": '"warning"'})
        self.addCleanup(self.server.close)
        self.server.start()
        self.server.imap("bob").logout()  # now the maildir is there
        self.maildir = self.server.maildir("bob")
        self.over, self.lock, self.faults = threading.Event(), threading.Lock(), []
        self.sent, self.gone, self.flagged, self.answered = set(), set(), set(), set()
        self.uids, self.validities, self.looks = {}, set(), 0

    def run_until_over(self, work):
        """Each worker in a thread of its own; the first fault ends them all."""
        def loop():
            try:
                for step in work():
                    if self.over.is_set():
                        return
                    time.sleep(step)
            except Exception as error:
                with self.lock:
                    self.faults.append(f"{work.__name__}: {error!r}")
                self.over.set()

        thread = threading.Thread(target=loop)
        thread.start()
        return thread

    # Writers

    def deliver(self):
        with self.server.smtp() as client:
            for number in range(MESSAGES):
                if number % 50 == 49:
                    client.quit()
                    client.connect("127.0.0.1", self.server.port("smtp"))
                client.sendmail("friend@elsewhere.test", ["bob@example.org"], message(f"delivered-{number}"))
                self.sent.add(f"delivered-{number}")
                yield 0.02

    def drop(self):
        for number in range(MESSAGES):
            name = f"1700000000.M{number}P1.elsewhere"
            file = self.maildir / "tmp" / name
            file.write_bytes(message(f"dropped-{number}").replace(b"\r\n", b"\n"))
            if os.geteuid() == 0:
                shutil.chown(file, "vmail", "vmail")
            file.rename(self.maildir / "new" / name)
            self.sent.add(f"dropped-{number}")
            yield 0.02

    def work_on_files(self):
        """What mutt does: new to cur, a flag more in a name, a file less. Who comes too late looks again."""
        subjects = {}

        def subject(file):
            base = file.name.split(":")[0]
            if base not in subjects:
                subjects[base] = re.search(rb"^Subject: (\S+)", file.read_bytes(), re.MULTILINE)[1].decode()
            return subjects[base]

        while True:
            for file in (self.maildir / "new").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    file.rename(self.maildir / "cur" / f"{file.name.split(':')[0]}:2,{random.choice(['', 'S'])}")
            for file in random.sample(found := list((self.maildir / "cur").iterdir()), min(20, len(found))):
                with contextlib.suppress(FileNotFoundError):
                    name = subject(file)
                    base, _, flags = file.name.partition(":2,")
                    if fate(name) == "unlinked":
                        file.unlink()
                        self.gone.add(name)
                    elif "F" not in flags:
                        file.rename(file.with_name(f"{base}:2,{''.join(sorted({*flags, 'F'}))}"))
                        self.flagged.add(name)
            yield 0.05

    # Sessions

    def look(self, client):
        """{name: (UID, flags)} as a session sees it now; what it sees must fit with all that was ever seen."""
        kind, data = client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        if kind != "OK":  # some have gone meanwhile: RFC 2180 section 4.1
            return {}
        seen, last = {}, 0
        for part in data:
            if not isinstance(part, tuple):
                continue
            uid = int(re.search(rb"UID (\d+)", part[0])[1])
            name = part[1].split(b": ", 1)[1].strip().decode()
            assert uid > last, f"UID {uid} after {last}"
            assert name not in seen, f"{name} twice"
            last, seen[name] = uid, (uid, set(imaplib.ParseFlags(part[0])))
        with self.lock:
            for name, (uid, _) in seen.items():
                assert self.uids.setdefault(name, uid) == uid, f"{name} had UID {self.uids[name]}, now {uid}"
            self.looks += 1
        return seen

    def select(self, client):
        self.assertEqual(client.select("INBOX")[0], "OK")
        self.validities.add(client.response("UIDVALIDITY")[1][0])

    def answer(self):
        with self.server.imap("bob") as client:
            self.select(client)
            while True:
                for name, (uid, flags) in self.look(client).items():
                    if fate(name) == "kept" and b"\\Answered" not in flags:
                        if client.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Answered)")[0] == "OK":
                            self.answered.add(name)
                        break
                yield 0.01

    def expunge(self):
        with self.server.imap("bob") as client:
            self.select(client)
            while True:
                doomed = {name: uid for name, (uid, _) in self.look(client).items() if fate(name) == "expunged"}
                for name, uid in itertools.islice(doomed.items(), 5):
                    client.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)")
                    if client.uid("EXPUNGE", str(uid))[0] == "OK":
                        self.gone.add(name)
                yield 0.05

    def come_and_go(self):
        while True:
            with self.server.imap("bob") as client:
                self.select(client)
                for _ in range(3):
                    self.look(client)
                    client.noop()
                    yield 0.1

    def test_each_message_keeps_its_uid_and_its_flags(self):
        writers = [self.run_until_over(work) for work in (self.deliver, self.drop)]
        others = [self.run_until_over(work) for work in (self.work_on_files, self.answer, self.expunge, self.come_and_go)]
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and not self.over.is_set() and any(thread.is_alive() for thread in writers):
            time.sleep(0.1)
        self.over.set()
        for thread in writers + others:
            thread.join(60)
            self.assertFalse(thread.is_alive())
        self.assertEqual(self.faults, [], self.server.log()[-4000:])
        wait_until(lambda: not self.server.queued(), 60, 0.5)
        with self.server.imap("bob") as client:
            self.select(client)
            seen = wait_until(lambda: len(found := self.look(client)) == len(self.sent - self.gone) and found, 30)
        self.assertEqual(set(seen), self.sent - self.gone)
        self.assertEqual(len(self.validities), 1, self.validities)
        self.assertGreater(self.looks, 10)
        for flag, names in ((b"\\Flagged", self.flagged), (b"\\Answered", self.answered)):
            left = names & set(seen)
            self.assertGreater(len(left), 5)
            self.assertEqual([name for name in left if flag not in seen[name][1]], [], flag)
        self.assertGreater(len(self.gone), 5)


if __name__ == "__main__":
    unittest.main()
