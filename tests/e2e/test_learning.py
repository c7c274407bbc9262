"""Junk that learns: what an IMAP client moves and marks is taught to a real spamd, whose verdict changes; over outages and kills."""

import os
import pathlib
import re
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Spamd, message, wait_until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
# Words that Bayes sees again in each mail of the kind.
SPAM = "Your account: click here, free offer, order without invoice. Replica watches wholesale pharmacy lottery winner casino jackpot refinance mortgage enlargement discount\r\n"
HAM = "The agenda of our choir rehearsal: madrigals, altos, tenors, the organ loft, scores by Palestrina, tea\r\n"


def a_mail(number, words):
    return message(f"number {number}", f"marker {number}.\r\n{words}{words}", sender="friend@elsewhere.test")


def done(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def append(client, folder, raw):
    done(client.append(folder, None, None, raw))


def find(client, word):
    return done(client.uid("SEARCH", "BODY", word))[0].decode().split()


def move(client, uids, folder):
    done(client.uid("MOVE", ",".join(uids), folder))


class Learner(unittest.TestCase):
    """A server whose users teach."""

    def serve(self, spamd, learn="site", **settings):
        server = Server(spamd=spamd.address, settings={"filter.learn": f'"{learn}"', **settings})
        self.addCleanup(server.close)
        return server.start()

    def spamd(self, **how):
        spamd = Spamd(**how).start()
        self.addCleanup(spamd.stop)
        return spamd

    def stats(self, server):
        return {line.split()[0]: int(line.split()[1]) for line in server.run("spam", "stats").stdout.splitlines()}

    def wait_taught(self, server, seconds=60, **wanted):
        """wait_taught(server, spam_learned=5)"""
        names = {f"lessons.{name.replace('_', '.', 1)}": count for name, count in wanted.items()}

        def taught():
            found = self.stats(server)
            return all(found[name] == count for name, count in names.items()) and found["lessons.waiting"] == 0

        try:
            wait_until(taught, seconds)
        except Exception as error:
            raise AssertionError(f"{self.stats(server)}\n{server.log()[-4000:]}") from error

    def lessons(self, server, start=0):
        return re.findall(r"event=lesson\.learned .*?class=(\w+)", server.log(start))


class ChangesItsVerdict(Learner):
    def verdict(self, server, number, words, folder="INBOX"):
        server.send(a_mail(number, words))
        raw = server.wait_for(f"marker {number}.", folder=folder)
        status = re.search(rb"X-Spam-Status: .*?\r\n(?![ \t])", raw, re.S)
        return re.findall(r"BAYES_\d+", status.group(0).decode())

    def test_by_what_a_client_moves_and_marks(self):
        spamd = self.spamd(learns=True)
        server = self.serve(spamd, **{"filter.spam_to_junk": "false"})
        told = server.run("check")
        self.assertIn("judges by no Bayes database", told.stderr)
        self.assertNotIn("allow-tell", told.stderr)
        self.assertEqual(self.verdict(server, 1, SPAM), [])
        self.assertEqual(self.verdict(server, 2, HAM), [])
        client = server.imap("bob")
        for number in range(10, 15):
            append(client, "INBOX", a_mail(number, SPAM))
        for number in range(20, 25):
            append(client, "INBOX", a_mail(number, HAM))
        client.select("INBOX")
        move(client, find(client, "Replica"), "Junk")
        ham = find(client, "Palestrina")
        # Some by a keyword, and one by way of Junk: it was spam, and is not.
        done(client.uid("STORE", ",".join(ham[1:]), "+FLAGS", "($NotJunk)"))
        done(client.uid("COPY", ham[0], "Junk"))
        self.wait_taught(server, spam_learned=7, ham_learned=5)
        client.select("Junk")
        move(client, find(client, "Palestrina"), "Archive")
        self.wait_taught(server, spam_learned=7, ham_learned=6)
        after = self.verdict(server, 30, SPAM)
        self.assertIn(after, (["BAYES_95"], ["BAYES_99"], ["BAYES_99", "BAYES_999"], ["BAYES_80"]))
        self.assertIn(self.verdict(server, 31, HAM), (["BAYES_00"], ["BAYES_05"], ["BAYES_20"]))
        self.assertNotIn("Bayes", server.run("check").stderr)

        # What was taught already is not taught again, over a restart neither; Junk to Trash is no lesson.
        count = len(self.lessons(server))
        server.stop()
        server.start()
        client = server.imap("bob")
        client.select("Junk")
        first = find(client, "Replica")[:1]
        done(client.uid("STORE", first[0], "+FLAGS", "($Junk)"))
        move(client, first, "Trash")
        self.wait_taught(server, spam_known=1, ham_learned=0)
        self.assertEqual(len(self.lessons(server)), count)
        self.assertRegex(server.run("status").stdout, r"(?m)^lessons +0 waiting, ")

    def test_explains(self):
        spamd = self.spamd()
        server = self.serve(spamd, "off")
        path = server.folder / "mail"
        path.write_bytes(a_mail(1, HAM))
        told = server.run("spam", "explain", str(path))
        self.assertRegex(told.stdout, r"^no spam: -?\d+\.\d points of 5\.0\n")
        self.assertRegex(told.stdout, r"(?m)^ *-?\d+\.?\d* [A-Z0-9_]+ +\S")
        self.assertRegex(told.stdout, r"(?m)^scripts: keep \(nothing said otherwise\)$")
        server.send(message("Buy", f"marker gtube\r\n{GTUBE}\r\n"))
        raw = server.wait_for("marker gtube", folder="Junk")
        told = server.run("spam", "explain", "-", "--json", input=raw.decode(), check=False)
        self.assertEqual(told.returncode, 1, told.stderr)
        self.assertRegex(told.stdout, r'"name": "GTUBE",\s+"points": "1000",\s+"description": "BODY: Generic Test')
        self.assertRegex(told.stdout, r'"fileinto \\"Junk\\" \(default\.sieve:6\)"')
        self.assertEqual(server.run("spam", "explain", str(server.folder / "none"), check=False).returncode, 2)
        spamd.stop()
        told = server.run("spam", "explain", str(path), check=False)
        self.assertEqual(told.returncode, 2)
        self.assertIn("spamd: connect", told.stderr)


class SpamdIsAway(Learner):
    def test_lessons_come_when_it_is_back(self):
        spamd = self.spamd(learns=True)
        server = self.serve(spamd)
        spamd.stop()
        client = server.imap("bob")
        begin = time.monotonic()
        append(client, "INBOX", a_mail(1, SPAM))
        client.select("INBOX")
        move(client, ["1"], "Junk")
        self.assertLess(time.monotonic() - begin, 10)
        wait_until(lambda: "event=lesson.waits" in server.log(), 20)
        self.assertEqual(self.stats(server)["lessons.waiting"], 1)
        # Neither what was noted nor the mail needs the server to live on, nor the mail to stay.
        client.select("Junk")
        client.store("1", "+FLAGS", "(\\Deleted)")
        client.expunge()
        server.kill()
        server.start()
        self.assertEqual(self.stats(server)["lessons.waiting"], 1)
        spamd.start()
        self.wait_taught(server, spam_learned=1)

    def test_one_that_may_not_be_taught(self):
        spamd = self.spamd()
        server = self.serve(spamd)
        told = server.run("check")
        self.assertRegex(told.stderr, r"warning: .*posthorn\.toml:\d+: filter\.learn: spamd at .* was started without --allow-tell")
        client = server.imap("bob")
        append(client, "Junk", a_mail(1, SPAM))
        line = wait_until(lambda: re.search(r"event=lesson\.waits .*", server.log()), 20).group(0)
        self.assertIn("--allow-tell", line)
        self.assertEqual(self.stats(server)["lessons.waiting"], 1)
        spamd.stop()
        spamd.learns = True
        spamd.start()
        self.wait_taught(server, spam_learned=1)


class Killed(Learner):
    MAILS = 30

    def test_again_and_again(self):
        """kill -9 of the queue and of the store while they teach: each lesson is learned, none for ever, and no mail is lost."""
        spamd = self.spamd(learns=True)
        server = self.serve(spamd)
        client = server.imap("bob")
        for number in range(self.MAILS):
            append(client, "INBOX", a_mail(number, f"{SPAM}{number} unlike the others {number * 7919}\r\n"))
        client.select("INBOX")
        move(client, ["1:*"], "Junk")
        kills = 0
        for role in ("queue", "store", "store", "queue"):
            seen = len(self.lessons(server))
            wait_until(lambda: len(self.lessons(server)) >= min(seen + 2, self.MAILS), 60)
            os.kill(wait_until(lambda: server.roles().get(role), 30), signal.SIGKILL)
            kills += 1
        wait_until(lambda: len(self.lessons(server)) >= self.MAILS - kills, 90)

        def idle():
            return self.stats(server)["lessons.waiting"] == 0

        wait_until(idle, 90)
        count = len(self.lessons(server))
        self.assertGreaterEqual(count, self.MAILS - kills)
        self.assertLessEqual(count, self.MAILS + kills)
        time.sleep(3)
        self.assertEqual(len(self.lessons(server)), count)
        client = server.imap("bob")
        self.assertEqual(client.select("Junk")[1], [str(self.MAILS).encode()])
        self.assertEqual(client.select("INBOX")[1], [b"0"])


if __name__ == "__main__":
    unittest.main()
