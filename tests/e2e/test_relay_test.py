"""`posthorn relay test`: the conversation with a smarthost, secrets hidden, never a message, and for each cause what to change."""

import base64
import contextlib
import json
import pathlib
import socket
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Dns, Server, Smarthost, assert_fits, free_port, server_tls

SECRET = "opensesame"
PLAIN = base64.b64encode(f"\0apikey\0{SECRET}".encode()).decode()


class Case(unittest.TestCase):
    """One server for a policy of TLS; each test has its own smarthosts and lines in maps/relay-sasl."""

    tls = "none"
    more = {}

    @classmethod
    def setUpClass(cls):
        cls.dns = cls.enterClassContext(Dns({}))
        settings = {"relay.tls": f'"{cls.tls}"', "relay.command_timeout": '"3s"', "relay.connect_timeout": '"3s"',
                    "relay.resolver": f'"127.0.0.1:{cls.dns.port}"', **cls.more}
        cls.server = cls.enterClassContext(Server(settings=settings))

    def smarthost(self, **options):
        return self.enterContext(Smarthost(**{"password": SECRET, **options}))

    def logins(self, *lines):
        self.server.write_map("relay-sasl", "".join(line + "\n" for line in lines))
        self.server.run("reload")

    def log_in_at(self, port, host="127.0.0.1", password=SECRET):
        self.logins(f"[{host}]:{port} apikey:{password}")

    def place(self, table):
        """Its first line, as `check` names it."""
        return f"{self.server.root}/maps/{table}:1"

    def ask(self, *words, status):
        done = self.server.run("relay", "test", *words, "--json", check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        tests = [json.loads(line) for line in done.stdout.splitlines()]
        assert_fits("relay_test", *tests)
        return tests

    def cause(self, relay, *words, status=1):
        """The last host's cause, after every word that must stand in its advice was looked for."""
        words, needles = [w for w in words if not isinstance(w, set)], [n for w in words if isinstance(w, set) for n in w]
        host = self.ask(relay, *words, status=status)[0]["hosts"][-1]
        for needle in needles:
            self.assertIn(needle, host["advice"])
        return host["cause"]


class InTheClear(Case):
    def test_one_that_works_is_asked_all_but_a_message(self):
        relay = self.smarthost()
        self.log_in_at(relay.port)
        done = self.server.run("relay", "test", f"[127.0.0.1]:{relay.port}", "--to", "friend@far.test", "--from", "alice@example.org")
        for line in ("S: 220 smarthost.test ESMTP", "C: EHLO mx.example.org", "C: AUTH PLAIN [hidden]", "S: 235 2.7.0 ok",
                     "C: MAIL FROM:<alice@example.org>", "C: RCPT TO:<friend@far.test>", "C: RSET", "C: QUIT", "=> It works."):
            self.assertIn(line, done.stdout)
        self.assertNotIn("DATA", " ".join(relay.dialogs))
        self.assertEqual(relay.received, [])
        self.assertIn(f"with the login of {self.place('relay-sasl')}", done.stdout)
        self.assertNotIn(SECRET, done.stdout)
        self.assertNotIn(PLAIN, done.stdout)

    def test_a_wrong_login_and_what_the_server_repeats_of_it(self):
        relay = self.smarthost(script={"AUTH": f"535 5.7.8 what is {PLAIN} and {SECRET}?"})
        self.log_in_at(relay.port)
        tests = self.ask(f"[127.0.0.1]:{relay.port}", status=1)
        host = tests[0]["hosts"][0]
        self.assertEqual((tests[0]["verdict"], host["cause"], host["stage"]), ("broken", "wrong_login", "login"))
        self.assertIn(f"They are from {self.place('relay-sasl')}:", host["advice"])
        for secret in (SECRET, PLAIN):
            self.assertNotIn(secret, json.dumps(tests))

    def test_logins(self):
        relay = self.smarthost()
        name = f"[127.0.0.1]:{relay.port}"
        self.logins("# nobody")
        self.assertEqual(self.cause(name, "--to", "x@far.test", {"has no line for it", f"{name} USER:PASSWORD"}), "must_log_in")
        self.log_in_at(relay.port)
        for reply, cause, status in (("454 4.7.0 Temporary authentication failure", "login_later", 75), ("538 5.7.11 Encryption required", "login_needs_tls", 1),
                                     ("534 5.7.9 Please log in with your web browser", "login_too_weak", 1), ("DROP", "login_broke", 75)):
            relay.script["AUTH"] = reply
            self.assertEqual(self.cause(name, status=status), cause)

    def test_envelopes(self):
        relay = self.smarthost(require_auth=False)
        name = f"[127.0.0.1]:{relay.port}"
        self.log_in_at(relay.port)
        for script, cause, status, needles in (
                ({"MAIL": "550 The from address does not match a verified Sender Identity."}, "sender_not_verified", 1, {"<alice@example.org>"}),
                ({"RCPT": "451 4.7.1 Too many messages, slow down"}, "envelope_later", 75, {"limit"}),
                ({"RCPT": "554 5.7.1 Relay access denied"}, "may_not_relay", 1, {"has no right"}),
                ({"RCPT": "550 5.1.1 No such user"}, "recipient_refused", 1, set())):
            relay.script.clear()
            relay.script.update(script)
            self.assertEqual(self.cause(name, "--from", "alice@example.org", "--to", "x@far.test", needles, status=status), cause)
            self.assertNotIn("DATA", " ".join(relay.dialogs))

    def test_greetings(self):
        self.logins("# nobody")
        for greeting, cause, status in (("554 5.7.1 You are on our list", "greeting_refused", 1), ("421 4.7.0 Too many connections", "greeting_later", 75),
                                        ("HTTP/1.1 400 Bad Request", "http", 1), ("* OK IMAP4rev1 ready", "not_smtp", 1)):
            relay = self.smarthost(script={"GREETING": greeting})
            self.assertEqual(self.cause(f"[127.0.0.1]:{relay.port}", status=status), cause)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.assertEqual(self.cause(f"[127.0.0.1]:{silent.getsockname()[1]}", {"port 587"}), "tls_at_once")

    def test_nobody_there(self):
        self.assertEqual(self.cause(f"[127.0.0.1]:{free_port()}", {"Nobody listens"}), "refused")
        self.assertEqual(self.cause("[smtp.nowhere.test]:587", {"typing error"}), "name_not_found")
        # Whether this machine has a way for IPv6, and who says so when, is the machine's.
        self.assertIn(self.cause("[2001:db8::1]:587"), ("ipv6_unreachable", "timed_out"))

    def test_all_that_are_named_and_those_of_an_address(self):
        one, two, three = self.smarthost(), self.smarthost(), self.smarthost(script={"GREETING": "421 4.7.0 later"})
        self.server.write_map("transport", f"far.test smtp:[127.0.0.1]:{one.port}\n")
        self.server.write_map("relay-sasl", f"alice@example.org apikey:{SECRET}\n[127.0.0.1]:{one.port} apikey:{SECRET}\n")
        self.server.run("reload")
        self.addCleanup(self.server.write_map, "transport", "# nothing\n")
        tests = self.ask(status=0)
        self.assertEqual([(test["relay"], test["place"]) for test in tests], [(f"[127.0.0.1]:{one.port}", self.place("transport"))])
        self.assertEqual(self.ask("friend@far.test", status=0)[0]["relay"], f"[127.0.0.1]:{one.port}")
        self.assertEqual(self.ask("--to", "friend@far.test", status=0)[0]["relay"], f"[127.0.0.1]:{one.port}")
        tests = self.ask(f"[127.0.0.1]:{two.port}", "--from", "alice@example.org", status=0)
        self.assertEqual(tests[0]["login"], self.place("relay-sasl"))
        self.ask(f"[127.0.0.1]:{three.port}", status=75)

    def test_words_that_mean_nothing(self):
        for words, said in ((("::",), "is no next hop"), (("[127.0.0.1]:1", "--to", "nobody there"), "is no address"),
                            (("[127.0.0.1]:1", "--from", "a@b>\r\nDATA", "--to", "a@b.test"), "is no address")):
            done = self.server.run("relay", "test", *words, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stderr)


class Verified(Case):
    tls = "verify"

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.folder.chmod(0o755)
        cls.trusted, cls.cert = server_tls(cls.folder)
        cls.stranger, _ = server_tls(cls.folder, "stranger.test")
        cls.more = {"relay.trust_file": f'"{cls.cert}"'}
        super().setUpClass()

    def test_what_the_certificate_is_and_that_it_was_verified(self):
        relay = self.smarthost(tls=self.trusted)
        self.log_in_at(relay.port, "localhost")
        test = self.ask(f"[localhost]:{relay.port}", status=0)[0]
        host = test["hosts"][0]
        self.assertEqual((test["verdict"], host["cause"]), ("works", "works"))
        self.assertIn("localhost", host["names"])
        self.assertIn("CN = localhost", host["issuer"])
        self.assertTrue(host["proof"].startswith("verified"), host["proof"])
        self.assertTrue(host["tls"].startswith("TLSv1.3"), host["tls"])
        shown = self.server.run("relay", "test", f"[localhost]:{relay.port}").stdout
        self.assertRegex(shown, r"certificate: for localhost, 127.0.0.1; issued by .*; ends 20\d\d-.*; verified")

    def test_certificates_that_are_not_taken(self):
        relay = self.smarthost(tls=self.stranger)
        self.log_in_at(relay.port, "localhost")
        host = self.ask(f"[localhost]:{relay.port}", status=1)[0]["hosts"][0]
        self.assertEqual(host["cause"], "certificate_self_signed")
        self.assertIn("relay.trust_file", host["advice"])
        self.assertIn("stranger.test", host["names"])
        self.assertTrue(host["proof"].startswith("not verified"), host["proof"])
        self.assertNotIn("AUTH", " ".join(relay.dialogs))
        self.dns.records[("smtp.other.test", "A")] = ["127.0.0.1"]
        relay = self.smarthost(tls=self.trusted)
        self.assertEqual(self.cause(f"[smtp.other.test]:{relay.port}", {"not for smtp.other.test", "it is for localhost"}), "certificate_name")

    def test_no_tls(self):
        relay = self.smarthost()
        self.log_in_at(relay.port)
        self.assertEqual(self.cause(f"[127.0.0.1]:{relay.port}", {"offers no TLS"}), "no_starttls")
        relay = self.smarthost(tls=self.trusted, script={"STARTTLS": "454 4.7.0 TLS not available"})
        self.assertEqual(self.cause(f"[localhost]:{relay.port}", status=75), "tls_later")
        self.assertNotIn("AUTH", " ".join(relay.dialogs))


class ByMx(Case):
    def test_the_hosts_of_a_recipient(self):
        self.assertIn("mail goes to the recipients' MX hosts", self.server.run("relay", "test", check=False).stderr)
        self.dns.records[("null.test", "MX")] = [(0, ".")]
        host = self.ask("--to", "friend@null.test", status=1)[0]["hosts"][0]
        self.assertEqual(host["cause"], "null_mx")


if __name__ == "__main__":
    with contextlib.suppress(SystemExit):
        unittest.main()
