"""What the command line does and says: what a command prints is what happened, where it is refused it names the place and
the remedy, and its exit code says which kind of failure it was.
"""

import imaplib
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, Server, wait_until


def posthorn(*args, **run):
    return subprocess.run([POSTHORN, *map(str, args)], capture_output=True, text=True, timeout=60, **run)


class Secrets(unittest.TestCase):
    """Of conf/users every hash that Dovecot writes opens the door, and a password's line ends at CR LF."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(users=())
        cls.server.run("user", "add", "alice@example.org", "--password-stdin", input="pw\r\n")
        hashes = {"md5": "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69", "smd5": "{SMD5}4Ub3ONuXP2T+wkS23RmRYbTlEpg=",
                  "pbkdf2": "{PBKDF2}$1$NRcjX0PH5lJwBKBZ$5000$8abf2887e044fcdd8bd8582b9d59c705ee3ed99a",
                  "scram": "{SCRAM-SHA-256}4096,CDCkH16ed1A5126HBdHpBA==,0dLxLO5yago+Vypkf53TyFHKaPQpxHKIdkrkbs/IQWk=,"
                           "2G9vpklGnKHpU7BEXfL2RAhvzGM/IY3jp1Likryipzg="}
        cls.hashes = hashes
        with open(cls.server.root / "conf/users", "a") as users:
            users.writelines(f"{name}@example.org:{value}\n" for name, value in hashes.items())
            users.write("cram@example.org:{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56\n")
        cls.server.append_map("mailboxes", "".join(f"{name}@example.org {name}\n" for name in [*hashes, "cram"]))
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def may_login(self, user, password):
        client = imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=self.server.trust(), timeout=30)
        try:
            return client.login(user, password)[0] == "OK"
        except imaplib.IMAP4.error:
            return False
        finally:
            client.shutdown()

    def test_a_line_ends_at_cr_lf(self):
        self.assertTrue(self.may_login("alice@example.org", "pw"))
        self.server.run("user", "passwd", "alice@example.org", "--password-stdin", input="other\r\n")
        self.assertTrue(self.may_login("alice@example.org", "other"))
        self.server.run("user", "passwd", "alice@example.org", "--password-stdin", input="pw")
        self.assertTrue(self.may_login("alice@example.org", "pw"))

    def test_hashes_of_dovecot(self):
        for name in self.hashes:
            with self.subTest(name):
                self.assertTrue(self.may_login(f"{name}@example.org", "secret"))

    def test_a_hash_nobody_can_use_is_told(self):
        users = self.server.root / "conf/users"
        line = 1 + [text.split(":")[0] for text in users.read_text().splitlines()].index("cram@example.org")
        told = f"{users}:{line}: nobody can log in as cram@example.org: unknown password scheme {{CRAM-MD5}}"
        self.assertIn(told, self.server.run("check").stderr)
        self.assertIn(told, self.server.log())
        self.assertFalse(self.may_login("cram@example.org", "secret"))

    def test_the_log_tells_nobody_from_a_wrong_password(self):
        def reasons(user):
            return re.findall(rf'event=auth.failed .*user={re.escape(user)} .*reason="([^"]*)"', self.server.log())
        self.assertFalse(self.may_login("md5@example.org", "wrong"))
        self.assertFalse(self.may_login("nobody@example.org", "wrong"))
        self.assertFalse(self.may_login("cram@example.org", "wrong"))
        wait_until(lambda: reasons("nobody@example.org"))
        self.assertEqual(set(reasons("md5@example.org")), {"wrong password"})
        self.assertEqual(set(reasons("nobody@example.org")), {"unknown user"})
        self.assertEqual(set(reasons("cram@example.org")), {"unknown password scheme {CRAM-MD5}"})


if __name__ == "__main__":
    unittest.main()
