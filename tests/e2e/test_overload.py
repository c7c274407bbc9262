"""Too much at once, and too little to work with: guesses over every protocol, a flood, clients that send and never read, a full
disk, a spool that is gone, hardly any memory. Nobody else waits for it, memory stays flat, nothing acknowledged is lost, and what
was refused works again when there is room.
"""

import base64
import contextlib
import os
import pathlib
import poplib
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, Server, message, wait_until

SANITIZED = b"__asan_init" in pathlib.Path(POSTHORN).read_bytes()
NO_EXEMPTION = {"limits.exempt": "[]"}


class Line:
    """A connection in lines; over TLS where the port begins with it."""

    def __init__(self, server, service, source="127.0.0.1", timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", server.port(service)), timeout, (source, 0))
        if service in ("imaps", "pop3s", "submissions"):
            self.socket = server.trust().wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def line(self):
        return self.file.readline().decode("utf-8", "replace").rstrip("\r\n")

    def until(self, start):
        """The first line that starts so; an empty one if the server ends before."""
        while True:
            raw = self.file.readline()
            if not raw:
                return ""
            if raw.decode("utf-8", "replace").startswith(start):
                return raw.decode("utf-8", "replace").rstrip("\r\n")

    def send(self, text):
        self.socket.sendall(text.encode() + b"\r\n")


def log_in(server, service, user, password, source="127.0.0.1"):
    """True: it worked. False: refused, or shown out."""
    with contextlib.suppress(ConnectionError, ssl.SSLError), Line(server, service, source) as wire:
        if service == "imaps":
            wire.until("* OK")
            wire.send(f"a LOGIN {user} {password}")
            return wire.until("a ").startswith("a OK")
        if service == "pop3s":
            wire.until("+OK")
            wire.send(f"USER {user}")
            wire.line()
            wire.send(f"PASS {password}")
            return wire.line().startswith("+OK")
        wire.until("220")
        wire.send("EHLO client.test")
        wire.until("250 ")
        wire.send("AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())
        return wire.line().startswith("235")
    return False


def memory_of(pid):
    """The resident kilobytes of a process."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


class Guesses(unittest.TestCase):
    def test_the_protocols_share_one_count(self):
        alice, bob = "alice@example.org", "bob@example.org"
        with Server(settings={**NO_EXEMPTION, "auth.failures_max": "3"}) as server:
            for service in ("imaps", "pop3s", "submissions"):
                self.assertFalse(log_in(server, service, bob, "wrong"))
            for service in ("imaps", "pop3s", "submissions"):
                self.assertFalse(log_in(server, service, alice, server.password(alice)), service)
                self.assertTrue(log_in(server, service, alice, server.password(alice), "127.0.7.1"), service)
            log = server.log()
            self.assertEqual(log.count('reason="wrong password"'), 3)
            self.assertNotIn("wrong", re.sub('reason="[a-z ]+"', "", log))

    def test_a_burst_gets_no_more_guesses_than_the_limit(self):
        with Server(settings={**NO_EXEMPTION, "auth.failures_max": "5"}) as server:
            barrier, results = threading.Barrier(30), []

            def guess(number):
                with contextlib.suppress(ConnectionError, ssl.SSLError), Line(server, "imaps") as wire:
                    wire.until("* OK")
                    barrier.wait(30)
                    wire.send(f"a LOGIN user{number}@example.org guess{number}")
                    results.append(wire.until("a "))

            threads = [threading.Thread(target=guess, args=(number,)) for number in range(30)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            self.assertEqual(len(results), 30)
            self.assertFalse([line for line in results if line.startswith("a OK")])
            self.assertEqual(len(re.findall('reason="(?:wrong password|unknown user)"', server.log())), 5)
            self.assertEqual(server.log().count("reason=banned"), 25)


    def test_behind_a_known_address_there_are_more_and_not_endless_many(self):
        alice = "alice@example.org"
        with Server(settings={**NO_EXEMPTION, "auth.failures_max": "2", "auth.known_failures_max": "6"}) as server:
            self.assertTrue(log_in(server, "imaps", alice, server.password(alice), "127.0.7.1"))

            def guess(number):
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    log_in(server, "imaps", alice, f"guess{number}", "127.0.7.1")

            threads = [threading.Thread(target=guess, args=(number,)) for number in range(30)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            self.assertEqual(server.log().count('reason="wrong password"'), 6)
            self.assertEqual(server.log().count("reason=banned"), 24)
            self.assertRegex(server.run("ban", "list").stdout, r"(?m)^127\.0\.7\.1 .*6 failed logins as alice@example\.org$")
            # Who knows nothing of it elsewhere is not locked out.
            self.assertTrue(log_in(server, "imaps", alice, server.password(alice), "127.1.7.1"))


class Bans(unittest.TestCase):
    """`posthorn ban`: the counterpart of docker-mailserver's `setup fail2ban`."""

    def test_told_ended_and_made_by_hand(self):
        alice, bob = "alice@example.org", "bob@example.org"
        with Server(settings={**NO_EXEMPTION, "auth.failures_max": "3", "auth.ban": '"1h"'}) as server:
            ban = lambda *words, **more: server.run("ban", *words, **more).stdout
            metric = lambda: urllib.request.urlopen(f"http://127.0.0.1:{server.port('http')}/metrics", timeout=30).read().decode()
            self.assertEqual(ban("list"), "nobody is banned\n")
            self.assertIn("posthorn_auth_banned 0\n", metric())
            for _ in range(3):
                self.assertFalse(log_in(server, "imaps", bob, "wrong", "127.0.9.1"))
            self.assertFalse(log_in(server, "imaps", alice, server.password(alice), "127.0.9.1"))
            self.assertRegex(ban("list"), r"(?m)^127\.0\.9\.1 +(59m\d+s|1h0m) +3 failed logins$")
            self.assertRegex(ban("list"), r"(?m)^127\.0\.9\.0/24 +(59m\d+s|1h0m) +3 failed logins as bob@example\.org$")
            self.assertRegex(server.run("status").stdout, r"(?m)^logins +2 addresses are banned")
            wait_until(lambda: "posthorn_auth_banned 2\n" in metric())
            self.assertRegex(server.log(), r"event=auth\.banned .*address=127\.0\.9\.1 user=bob@example\.org seconds=3600")
            ban("remove", "127.0.9.1")
            self.assertEqual(ban("list"), "nobody is banned\n")
            self.assertTrue(log_in(server, "imaps", bob, server.password(bob), "127.0.9.1"))
            self.assertIn("127.0.9.1 is not banned", server.run("ban", "remove", "127.0.9.1", check=False).stderr)
            # By hand: also where the account once logged in.
            ban("add", "127.0.9.1", "--for", "2d")
            for service in ("imaps", "pop3s", "submissions"):
                self.assertFalse(log_in(server, service, bob, server.password(bob), "127.0.9.1"), service)
            self.assertTrue(log_in(server, "imaps", bob, server.password(bob), "127.0.9.2"))
            self.assertRegex(ban("list"), r"^127\.0\.9\.1 +(1d23h|2d0h) +by command\n$")
            for words, why in ((("add", "example.org"), '"example.org" is no address'), (("add", "10.0.0.0/8"), "is no address"),
                               (("add", "10.0.0.1", "--for", "ever"), "a number with s, m, h or d"), (("remove", "10.0.0.1"), "is not banned")):
                done = server.run("ban", *words, check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(why, done.stderr)
            ban("remove", "127.0.9.1")
            self.assertTrue(log_in(server, "imaps", bob, server.password(bob), "127.0.9.1"))
            self.assertIn("event=auth.unbanned address=127.0.9.1", re.sub(r" (role|s|q)=\S+", "", server.log()))

    def test_by_hand_the_exempt_too(self):
        bob = "bob@example.org"
        with Server() as server:
            server.run("ban", "add", "127.0.0.1", "--for", "1h")
            self.assertFalse(log_in(server, "imaps", bob, server.password(bob)))
            self.assertIn("reason=banned", server.log())
            server.run("ban", "remove", "127.0.0.1")
            self.assertTrue(log_in(server, "imaps", bob, server.password(bob)))


class Crowd(unittest.TestCase):
    def test_a_flood_from_one_address_keeps_nobody_out(self):
        with Server(settings={**NO_EXEMPTION, "limits.connections_per_minute_max": "30"}) as server:
            over, answers, times = threading.Event(), {"220": 0, "421": 0, "": 0}, []

            def flood():
                while not over.is_set():
                    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port("smtp")), 5, ("127.0.3.1", 0)) as wire:
                        answers[wire.recv(100)[:3].decode()] += 1

            threads = [threading.Thread(target=flood) for _ in range(4)]
            for thread in threads:
                thread.start()
            try:
                wait_until(lambda: answers["421"] + answers[""] > 500)
                for number in range(5):
                    begin = time.monotonic()
                    with Line(server, "smtp", f"127.0.4.{number + 1}") as wire:
                        self.assertRegex(wire.line(), "^220 ")
                    times.append(time.monotonic() - begin)
            finally:
                over.set()
                for thread in threads:
                    thread.join(30)
            self.assertLess(min(times), 3, times)
            self.assertEqual(answers["220"], 30)
            # Told, and not once for each.
            told = server.log().count("event=connection.refused")
            self.assertTrue(0 < told < 200, told)

    def test_ten_thousand_commands_at_once(self):
        with Server() as server:
            for service, hello, login, command, good in (
                    ("imaps", "* OK", ["a LOGIN bob@example.org pw-bob"], "n NOOP", "n OK"),
                    ("pop3s", "+OK", ["USER bob@example.org", "PASS pw-bob"], "NOOP", "+OK")):
                with self.subTest(service), Line(server, service) as wire:
                    wire.until(hello)
                    for text in login:
                        wire.send(text)
                        wire.until("a OK" if service == "imaps" else "+OK")
                    # By this thread: Python's TLS sockets are not for two at once.
                    wire.socket.sendall((command + "\r\n").encode() * 10_000)
                    for _ in range(10_000):
                        self.assertTrue(wire.until(good))

    def test_who_never_reads_takes_no_memory(self):
        with Server() as server:
            client = server.imap("bob")
            raw = message("large", ("x" * 76 + "\r\n") * 50_000)
            for _ in range(8):
                self.assertEqual(client.append("INBOX", None, None, raw)[0], "OK")
            roles = server.roles()
            before = {role: memory_of(roles[role]) for role in ("edge", "store")}
            with Line(server, "imaps") as wire:
                wire.until("* OK")
                wire.send("a LOGIN bob@example.org pw-bob\r\nb SELECT INBOX")
                wire.until("b OK")
                for number in range(10):
                    wire.send(f"f{number} FETCH 1:* BODY.PEEK[]")
                busy = lambda: sum(int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11]) for pid in roles.values())
                last = [busy(), time.monotonic()]

                def quiet():
                    if busy() - last[0] > 10:  # ticks: more than timers and looks at files take
                        last[:] = busy(), time.monotonic()
                    return time.monotonic() - last[1] > 1.5

                wait_until(quiet, 40)
                for role in before:
                    self.assertLess(memory_of(roles[role]) - before[role], 64 * 1024, role)
                self.assertEqual(client.noop()[0], "OK")
                self.assertEqual(len(server.fetch_all("alice")), 0)
                self.assertIn(b"large", raw)
                self.assertTrue(wire.until("f0 OK"))  # and it goes on when it reads
            client.logout()


def give_to(path, account):
    entry = pwd.getpwnam(account)
    os.chown(path, entry.pw_uid, entry.pw_gid)
    path.chmod(0o700)


class Disk(unittest.TestCase):
    @unittest.skipUnless(os.geteuid() == 0, "only root mounts a disk of its own")
    def test_a_full_mail_disk(self):
        server = Server(settings={"queue.retry_first": '"1s"', "queue.retry_max": '"1s"', "filter.when_down": '"deliver"'})
        mail = server.root / "var" / "mail"
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(mail)], capture_output=True).returncode != 0:
            server.close()
            self.skipTest("no mount here")
        try:
            give_to(mail, "vmail")
            server.start()
            server.imap("bob").logout()
            body = ("y" * 76 + "\r\n") * 10_000
            for number in range(12):
                server.send(message(f"number {number} of twelve", body))
            wait_until(lambda: "event=queue.deferred" in server.log())
            wait_until(lambda: shutil.disk_usage(mail).free < 1_000_000)
            self.assertNotIn("event=queue.failed", server.log())
            seen = set()
            end = time.monotonic() + 45
            while len(seen) < 12:
                self.assertLess(time.monotonic(), end, f"{sorted(seen)}\n{server.log()[-3000:]}")
                client = server.imap("bob")
                self.assertEqual(client.select("INBOX")[0], "OK")
                for uid in client.uid("search", "ALL")[1][0].split():
                    raw = client.uid("fetch", uid, "(BODY.PEEK[HEADER])")[1][0][1]
                    seen.add(int(re.search(rb"number (\d+) of twelve", raw)[1]))
                    # To make room works where there is none. Only what was seen: another may come meanwhile.
                    self.assertEqual(client.uid("store", uid, "+FLAGS.SILENT", r"(\Deleted)")[0], "OK")
                    self.assertEqual(client.uid("expunge", uid)[0], "OK")
                client.logout()
                time.sleep(0.3)
            self.assertEqual(seen, set(range(12)))
        finally:
            with contextlib.suppress(AssertionError):
                server.stop()
            subprocess.run(["umount", str(mail)], check=True)
            server.close()

    @unittest.skipUnless(os.geteuid() == 0, "only root mounts a disk of its own")
    def test_mail_is_read_marked_and_removed_on_a_full_disk(self):
        server = Server()
        mail = server.root / "var" / "mail"
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(mail)], capture_output=True).returncode != 0:
            server.close()
            self.skipTest("no mount here")
        try:
            give_to(mail, "vmail")
            server.start()
            for number in range(3):
                server.send(message(f"number {number}", f"body {number}\r\n"))
                server.wait_for(f"body {number}")
            # Of who never logged in before: the folders that a login makes find no room.
            server.send(message("for alice", "body for alice\r\n"), to="alice@example.org")
            wait_until(lambda: list(server.maildir("alice").glob("new/*")))
            inbox = server.maildir("bob")
            client = server.imap("bob")
            validity = client.status("INBOX", "(UIDVALIDITY)")[1]
            client.logout()

            def answers():
                with server.imap("bob") as once:
                    return once.status("INBOX", "(MESSAGES)")[0] == "OK"

            for restarted in (False, True):
                # Unseen mail, and then not a block is left.
                new = inbox / "new" / f"17000000{restarted:d}0.unseen"
                new.write_text(f"Subject: unseen {restarted}\n\nunseen {restarted}\n")
                os.chown(new, inbox.stat().st_uid, inbox.stat().st_gid)
                filler = mail / f"filler{restarted:d}"
                with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as out:
                    while out.write(bytes(4096)) == 4096:
                        pass
                self.assertEqual(shutil.disk_usage(mail).free, 0)
                if restarted:
                    server.stop()
                    server.start()
                wait_until(answers)
                client = server.imap("alice")
                self.assertEqual(client.select(), ("OK", [b"1"]))
                self.assertEqual(client.uid("fetch", "1:*", "(BODY.PEEK[])")[0], "OK")
                client.logout()
                client = server.imap("bob")
                self.assertEqual(client.status("INBOX", "(UIDVALIDITY)")[1], validity)
                self.assertEqual(client.select()[0], "OK")
                uids = client.uid("search", "ALL")[1][0].split()
                self.assertEqual(len(uids), 4)  # the unseen one too: the reserve had room for its line
                for uid in uids:
                    kind, answer = client.uid("fetch", uid, "(BODY[] ENVELOPE)")
                    self.assertEqual(kind, "OK", answer)
                self.assertEqual(client.uid("store", uids[-1], "+FLAGS", r"(\Flagged)")[0], "OK")
                self.assertEqual(client.uid("store", uids[0], "+FLAGS", r"(\Deleted)")[0], "OK")
                self.assertEqual(client.expunge()[0], "OK")
                self.assertEqual(client.uid("search", "ALL")[1][0].split(), uids[1:])
                client.logout()
                box = poplib.POP3_SSL("localhost", server.port("pop3s"), context=server.trust(), timeout=30)
                box.user("bob@example.org")
                box.pass_(server.password("bob"))
                self.assertEqual(len(box.list()[1]), len(uids) - 1)
                box.quit()
                filler.unlink()
                wait_until(answers)
                client = server.imap("bob")
                client.select()
                self.assertEqual(client.uid("search", "ALL")[1][0].split(), uids[1:])
                self.assertEqual(client.uid("search", "FLAGGED")[1][0].split()[-1:], uids[-1:])
                client.logout()
        finally:
            with contextlib.suppress(AssertionError):
                server.stop()
            subprocess.run(["umount", str(mail)], check=True)
            server.close()

    def test_a_spool_that_is_gone(self):
        with Server() as server:
            roles = server.roles()
            server.send(message("before"))
            server.wait_for("Subject: before")
            spool = server.root / "var" / "spool"
            gone = server.folder / "gone"
            wait_until(lambda: not [name for name in os.listdir(spool / "active") if not name.endswith(".log")])
            spool.rename(gone)
            with server.smtp() as client:
                client.ehlo()
                client.mail("friend@elsewhere.test")
                client.rcpt("bob@example.org")
                code, text = client.data(message("refused"))
                self.assertEqual(code // 100, 4, text)
            self.assertEqual(server.imap("bob").noop()[0], "OK")
            self.assertEqual(server.roles(), roles)  # nobody fell over it
            gone.rename(spool)
            server.send(message("after"))
            server.wait_for("Subject: after")
            self.assertFalse([raw for raw in server.fetch_all("bob") if b"Subject: refused" in raw])


class Memory(unittest.TestCase):
    @unittest.skipIf(SANITIZED, "a sanitizer needs terabytes of address space: with the release build")
    def test_hardly_any(self):
        server = Server(settings={"queue.retry_first": '"1s"', "queue.retry_max": '"2s"'})
        try:
            server.start()
            server.imap("bob").logout()
            server.send(message("warm"))
            server.wait_for("Subject: warm")
            sizes = [int(re.search(r"VmSize:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) for pid in server.roles().values()]
            server.stop()
            server.start(["prlimit", f"--as={(max(sizes) + 16 * 1024) * 1024}"])
            acknowledged = []
            for number in range(4):
                with contextlib.suppress(Exception):
                    server.send(message(f"big {number} one", ("z" * 76 + "\r\n") * 200_000))
                    acknowledged.append(number)
            with contextlib.suppress(Exception):
                client = server.imap("bob")
                client.select("INBOX")
                client.fetch("1:*", "(BODY.PEEK[] ENVELOPE BODYSTRUCTURE)")
            server.send(message("at the end"))  # it lives, or lives again
            server.stop()
            server.start()
            server.wait_for("Subject: at the end")
            self.assertTrue(acknowledged)  # mail streams: its size is no matter
            for number in acknowledged:
                server.wait_for(f"Subject: big {number} one", seconds=40)
        finally:
            server.close()


if __name__ == "__main__":
    unittest.main()
