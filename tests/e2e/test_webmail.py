"""Debian's Roundcube, set up by deploy/roundcube, in a real browser: log in, read a mail, send one, and it arrives."""

import email.header
import os
import pathlib
import signal
import ssl
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, message, server_tls, wait_until
from webmail import MISSING, Browser, Webmail


@unittest.skipIf(MISSING, f"{', '.join(MISSING)}: scripts/setup --full installs it")
class RoundcubeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.webmail = Webmail(cls.server, domain="example.org")
        cls.addClassCleanup(cls.webmail.__exit__)
        cls.webmail.start()

    def browser(self):
        browser = Browser(self.webmail)
        self.addCleanup(browser.close)
        return browser

    def test_a_mail_is_read_and_one_is_sent(self):
        self.server.send(message("Grüße for bob", "A mail to read.\r\nSecond line.\r\n", sender="friend@elsewhere.test",
                                 Content_Type="text/plain; charset=utf-8"))
        self.server.wait_for("A mail to read")
        browser = self.browser()
        browser.login("bob@example.org", "pw-bob")
        browser.until(lambda _: browser.rows(), "the list")
        browser.shot("list")
        header, text = browser.open("for bob")
        browser.shot("message")
        self.assertIn("friend@elsewhere.test", header)
        self.assertIn("A mail to read.", text)
        folders = browser.find("#mailboxlist").text
        for folder in ("Inbox", "Drafts", "Sent", "Junk", "Trash"):
            self.assertIn(folder, folders)

        browser.compose("alice@example.org", "From the webmail", "Written in a browser.")
        raw = self.server.wait_for("From the webmail", "alice", seconds=40)
        self.assertIn(b"Written in a browser.", raw)
        self.assertIn(b"From: bob@example.org", raw)
        self.server.wait_for("Written in a browser.", "bob", "Sent")
        browser.driver.get(browser.webmail.url("/?_task=mail&_mbox=Sent"))
        browser.until(lambda _: any("From the webmail" in row for row in browser.rows()), "Sent holds it")

    def test_a_rule_and_a_vacation_are_made_by_clicking(self):
        browser = self.browser()
        browser.login("alice@example.org", "pw-alice")
        browser.until(lambda driver: "Inbox" in browser.find("#mailboxlist").text, "the folders")
        browser.make_rule("Invoices", "invoice", "Archive")
        home = self.server.maildir("alice")
        script = home / "sieve" / "roundcube.sieve"
        wait_until(lambda: (home / ".dovecot.sieve").is_symlink())
        self.assertEqual(os.readlink(home / ".dovecot.sieve"), "sieve/roundcube.sieve")
        self.assertRegex(script.read_text(), r'(?s)header :contains "subject" "invoice".*fileinto "Archive"')
        browser.make_vacation("Away", "I am away until Monday – Grüße.")
        wait_until(lambda: "vacation" in script.read_text())
        self.assertIn("I am away until Monday – Grüße.", script.read_text())
        self.assertIn('fileinto "Archive"', script.read_text())
        self.assertEqual(self.server.run("sieve", "check", str(script), config=False).stderr, "")
        # What was clicked is what happens: filed where the rule says, and who wrote is answered.
        self.server.submit("bob", message("Your invoice", "marker of the invoice\r\n", sender="bob@example.org",
                                          to="alice@example.org"), ["alice@example.org"])
        self.server.wait_for("marker of the invoice", "alice", "Archive")
        answer = email.message_from_bytes(self.server.wait_for("Auto-Submitted: auto-replied", "bob"))
        self.assertEqual(str(email.header.make_header(email.header.decode_header(answer["Subject"]))), "Away")
        self.assertIn("I am away until Monday – Grüße.", answer.get_payload(decode=True).decode())
        self.assertFalse([raw for raw in self.server.fetch_all("alice") if b"marker of the invoice" in raw])

    def test_a_wrong_password_is_told(self):
        browser = self.browser()
        browser.login("bob@example.org", "wrong")
        browser.until(lambda driver: "Login failed" in driver.page_source, "that the login failed")
        self.assertEqual(browser.rows(), [])

    def test_only_what_a_browser_needs_is_served(self):
        self.assertEqual(self.webmail.get("/")[0], 200)
        self.assertEqual(self.webmail.get("/skins/elastic/styles/styles.min.css")[0], 200)
        for path in ("/config/config.inc.php", "/data/roundcube.db", "/installer/", "/SQL/sqlite.initial.sql",
                     "/program/lib/Roundcube/bootstrap.php", "/.htaccess", "/logs/errors.log", "/bin/"):
            self.assertEqual(self.webmail.get(path)[0], 404, path)

    def test_a_server_that_cannot_be_verified_gets_no_password(self):
        with tempfile.TemporaryDirectory() as folder:
            _, authority = server_tls(folder)
            os.chmod(folder, 0o755)
            os.chmod(authority, 0o644)
            with Webmail(self.server, trust=str(authority)) as other:
                browser = Browser(other)
                self.addCleanup(browser.close)
                before = self.server.log().count("event=auth")
                browser.login("bob@example.org", "pw-bob")
                browser.until(lambda driver: "Connection to storage server failed" in driver.page_source, "the refusal")
                self.assertEqual(self.server.log().count("event=auth"), before)

    def test_set_up_again_keeps_key_and_data(self):
        key = (self.webmail.state / "config" / "des_key").read_text()
        size = (self.webmail.state / "data").stat().st_mtime
        self.webmail.run_setup()
        self.assertEqual((self.webmail.state / "config" / "des_key").read_text(), key)
        self.assertEqual((self.webmail.state / "data").stat().st_mtime, size)
        self.assertEqual(self.webmail.get("/")[0], 200)


    def test_it_takes_a_renewed_certificate_and_ends_when_asked_or_when_a_part_ends(self):
        webmail = Webmail(self.server)
        try:
            self.assertEqual(webmail.start().stop(), 0)
            renewed = webmail.folder / "renewed"
            renewed.mkdir()
            server_tls(renewed)
            for name in ("cert", "key"):
                (renewed / f"localhost.{name}.pem").rename(renewed / f"{name}.pem")
            webmail.start()
            first = ssl.get_server_certificate(("localhost", webmail.port))
            for name in ("cert.pem", "key.pem"):  # renewed
                (webmail.folder / name).write_bytes((renewed / name).read_bytes())
            webmail.process.send_signal(signal.SIGHUP)
            wait_until(lambda: ssl.get_server_certificate(("localhost", webmail.port)) != first)
            os.kill(int((webmail.state / "run" / "nginx.pid").read_text()), signal.SIGKILL)
            self.assertNotIn(webmail.process.wait(30), (0, None))
        finally:
            webmail.__exit__()


if __name__ == "__main__":
    unittest.main()
