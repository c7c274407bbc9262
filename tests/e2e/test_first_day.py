"""The first day of a server, on a machine where nothing is set up, by the program's own words: init, the DNS, the certificate, and a
mail exchanged with a big provider, both ways with verified TLS. All in network namespaces, on the real ports (internet.py).
"""

import email
import re
import unittest

import internet
from internet import ADDRESSES, BIG, DIRECTORY, HERE, Internet
from support import POSTHORN, wait_until

PASSWORD = "correct horse battery"

SUBMIT = """
import smtplib, ssl, sys
with smtplib.SMTP_SSL("mail.first.test", 465, context=ssl.create_default_context(cafile=sys.argv[1]), timeout=30) as client:
    client.login("alice@first.test", sys.argv[2])
    client.sendmail("alice@first.test", ["friend@big.test"], "From: alice@first.test\\r\\nTo: friend@big.test\\r\\nSubject: " + sys.argv[3] + "\\r\\n\\r\\nHello.\\r\\n")
"""

WRITE = """
import smtplib, sys
with smtplib.SMTP("127.0.0.1", timeout=30) as client:
    client.sendmail("friend@big.test", ["alice@first.test"], "From: friend@big.test\\r\\nTo: alice@first.test\\r\\nSubject: " + sys.argv[1] + "\\r\\n\\r\\nHello.\\r\\n")
"""
READ = """
import imaplib, ssl, sys
client = imaplib.IMAP4_SSL("mail.first.test", ssl_context=ssl.create_default_context(cafile=sys.argv[1]), timeout=30)
client.login("alice@first.test", sys.argv[2])
client.select("INBOX", readonly=True)
for number in client.search(None, "ALL")[1][0].split():
    sys.stdout.write(client.fetch(number, "(BODY.PEEK[])")[1][0][1].decode() + "\\0")
client.logout()
"""


class Machine:
    """The server, as its owner works with it: by the program's commands on its own machine."""

    def __init__(self, net):
        self.net = net
        self.root = net.etc / "posthorn"
        self.conf = self.root / "conf/posthorn.toml"
        self.log_path = net.folder / "posthorn.log"
        self.process = None

    def run(self, *words, check=True):
        return self.net.run(HERE, POSTHORN, *words, check=check)

    def init(self):
        secret = self.net.folder / "password"
        secret.write_text(PASSWORD + "\n")
        return self.net.run(HERE, POSTHORN, "init", "--yes", "--acme", "alice@first.test", "--acme-directory", DIRECTORY, "--acme-authority",
                            self.net.ca, "--user", "alice@first.test", "--password-file", secret).stdout

    def set(self, section, key, value):
        """The key's line in its section."""
        head, line, rest = re.match(rf"(?s)(.*?\n\[{section}\]\n.*?\n)({key} = [^\n]*)(\n.*)", self.conf.read_text()).groups()
        assert line
        self.conf.write_text(f"{head}{key} = {value}{rest}")

    def start(self):
        self.process = self.net.start(HERE, POSTHORN, "serve", log=self.log_path)
        self.net._await_line(self.process, self.log_path, "posthorn: ready")

    def log(self):
        return self.log_path.read_text(errors="replace")

    def mail(self, trust):
        """alice's messages, read over verified TLS."""
        return [email.message_from_string(text) for text in self.net.python(HERE, READ, trust, PASSWORD).split("\0")[:-1]]


HINDRANCE = internet.find_hindrance()


@unittest.skipIf(HINDRANCE, HINDRANCE)
class FirstDay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = cls.enterClassContext(Internet())
        cls.server = Machine(cls.net)
        cls.said = cls.server.init()
        cls.own = cls.server.root / "authority/cert.pem"
        cls.net.trusted.write_text(cls.net.trusted.read_text() + cls.own.read_text())
        # Who cannot be verified gets no mail from here, and the other side thinks the same.
        cls.server.set("relay", "mx_tls", '"verify"')
        cls.server.set("relay", "trust_file", f'"{cls.net.ca}"')
        cls.server.start()
        cls.net.load("first.test", f"@ IN MX 10 mail\nmail IN A {ADDRESSES[HERE]}\n@ IN TXT \"v=spf1 mx -all\"\n")

    def test_init_takes_the_names_of_the_machine(self):
        self.assertIn('hostname = "mail.first.test"', self.server.conf.read_text())
        self.assertIn("\nfirst.test .\n", (self.server.root / "maps/domains").read_text())
        self.assertTrue(self.said.endswith("no faults\n"), self.said)

    def test_a_mail_to_the_provider(self):
        self.net.python(HERE, SUBMIT, self.own, PASSWORD, "to the provider")
        [raw] = wait_until(lambda: [raw for raw in self.net.provider_mail() if b"Subject: to the provider" in raw])
        got = email.message_from_bytes(raw)
        self.assertRegex(got["Received"], r"from mail\.first\.test \(mail\.first\.test \[203\.0\.113\.2\]\)\s+\(using TLSv1\.3 ")
        self.assertIn("d=first.test", got["DKIM-Signature"])

    def test_a_mail_from_the_provider(self):
        self.net.python(BIG, WRITE, "from the provider")
        [got] = wait_until(lambda: [mail for mail in self.server.mail(self.own) if mail["Subject"] == "from the provider"], 60)
        self.assertIn("mx.big.test", got["Received"])
        self.assertRegex(self.net.provider_log(), r"Verified TLS connection established to mail\.first\.test\[203\.0\.113\.2\]:25: TLSv1\.3")


if __name__ == "__main__":
    unittest.main()
