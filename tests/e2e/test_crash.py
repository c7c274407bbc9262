"""kill -9 of everything at random moments under load: no acknowledged message is lost, and none comes out broken."""

import pathlib
import random
import smtplib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import FULL, Server, message, wait_until

ROUNDS = 50 if FULL else 4


class Load:
    """Clients that send until the server goes away, and remember what was acknowledged."""

    def __init__(self, server, round_number, clients=4):
        self.server, self.round = server, round_number
        self.acknowledged, self.tried = set(), set()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.send, args=(i,), daemon=True) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def send(self, client_number):
        for i in range(10_000):
            try:
                with smtplib.SMTP("127.0.0.1", self.server.port("smtp"), "client.test", timeout=10) as client:
                    for j in range(20):
                        name = f"m{self.round}.{client_number}.{i}.{j}"
                        body = f"crash {name}\r\n" + "x" * random.randrange(0, 3000) + f"\r\nend {name}\r\n"
                        with self.lock:
                            self.tried.add(name)
                        client.sendmail("friend@elsewhere.test", ["bob@example.org"], message(name, body))
                        with self.lock:
                            self.acknowledged.add(name)
            except (OSError, smtplib.SMTPException):
                if self.server.process is None:
                    return
                time.sleep(0.02)

    def join(self):
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()


class Crash(unittest.TestCase):
    def test_no_acknowledged_message_is_lost(self):
        server = Server(settings={"queue.retry_first": '"1s"', "log.level": '"warning"'})
        acknowledged, tried = set(), set()
        try:
            for number in range(ROUNDS):
                server.start()
                load = Load(server, number)
                time.sleep(random.uniform(0.1, 1.2))
                server.kill()
                load.join()
                acknowledged |= load.acknowledged
                tried |= load.tried
            self.assertGreater(len(acknowledged), ROUNDS)
            server.start()
            wait_until(lambda: not server.run("queue", "list", "--json").stdout.strip(), 120, 0.5)
            found = {}
            for raw in server.fetch_all("bob"):
                name = raw.split(b"\r\nSubject: ", 1)[1].split(b"\r\n", 1)[0].decode()
                self.assertTrue(raw.endswith(f"end {name}\r\n".encode()), f"{name} is cut")
                found[name] = found.get(name, 0) + 1
            lost = acknowledged - found.keys()
            self.assertEqual(lost, set(), f"{len(lost)} of {len(acknowledged)} acknowledged messages lost")
            self.assertLessEqual(found.keys(), tried)
            duplicates = sum(found.values()) - len(found)
            unasked = len(found.keys() - acknowledged)
            print(f"\n{ROUNDS} kills, {len(acknowledged)} acknowledged, {len(found)} found, {duplicates} duplicates, "
                  f"{unasked} never acknowledged", file=sys.stderr)
            self.assertLessEqual(duplicates, 20 * ROUNDS)
            # UIDs: the same after the index is thrown away.
            client = server.imap("bob")
            client.select("INBOX", readonly=True)
            validity = client.response("UIDVALIDITY")[1]
            before = client.uid("SEARCH", None, "ALL")[1]
            client.logout()
            server.stop()
            for index in server.maildir("bob").glob("posthorn.index*"):
                index.unlink()
            server.start()
            client = server.imap("bob")
            client.select("INBOX", readonly=True)
            self.assertEqual(client.response("UIDVALIDITY")[1], validity)
            self.assertEqual(client.uid("SEARCH", None, "ALL")[1], before)
            client.logout()
        finally:
            server.close()

    def test_every_copy_that_a_script_wants_is_there(self):
        """Two folders, one of them with an edited header: all of an acknowledged message's copies or, until it is handed over again, none."""
        server = Server(settings={"queue.retry_first": '"1s"', "log.level": '"warning"'})
        (server.root / "sieve/default.sieve").write_text(
            'require ["fileinto", "copy", "editheader", "mailbox"];\nfileinto :copy :create "Plain";\naddheader "X-Edited" "yes";\nkeep;\n')
        acknowledged = set()
        try:
            for number in range(ROUNDS // 2):
                server.start()
                load = Load(server, number, clients=2)
                time.sleep(random.uniform(0.3, 1.2))
                server.kill()
                load.join()
                acknowledged |= load.acknowledged
            self.assertGreater(len(acknowledged), ROUNDS // 2)
            server.start()
            wait_until(lambda: not server.run("queue", "list", "--json").stdout.strip(), 120, 0.5)
            for folder, is_edited in (("INBOX", True), ("Plain", False)):
                found = set()
                for raw in server.fetch_all("bob", folder):
                    name = raw.split(b"\r\nSubject: ", 1)[1].split(b"\r\n", 1)[0].decode()
                    self.assertTrue(raw.endswith(f"end {name}\r\n".encode()), f"{name} is cut")
                    self.assertEqual(b"X-Edited: yes\r\n" in raw, is_edited, name)
                    found.add(name)
                self.assertEqual(acknowledged - found, set(), folder)
        finally:
            server.close()


if __name__ == "__main__":
    unittest.main()
