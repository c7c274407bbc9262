"""System 2, the development server: any address of any domain, password = local part, bad domains that come back later."""

import email
import imaplib
import os
import poplib
import shutil
import smtplib
import ssl
import subprocess
import time
import unittest
import urllib.request

from dialogs import Dialog
from support import Server, message, wait_until
from test_tap import Tap
from webmail import MISSING, Browser, Webmail

NO_BROWSER = f"{', '.join(MISSING)}: scripts/setup --full installs it"


class Site:
    """What a Browser looks at, besides a Webmail."""

    def __init__(self, server):
        self.server, self.log = server, server.log

    def url(self, path="/"):
        return f"http://localhost:{self.server.port('http')}{path}"


class DevServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(domains=("mail.localhost",), users=(), mx="mail.localhost", profile="dev",
                            env={"POSTHORN_QUEUE_ERROR_DELAY": "2s"})
        cls.addClassCleanup(cls.server.close)
        cls.server.start()

    def login(self, address, password=None, tls=True):
        if tls:
            client = imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=self.server.trust(), timeout=30)
        else:
            client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=30)
        # A quoted string, as a mail program sends it: an address may hold what an atom may not.
        user = '"' + address.replace("\\", "\\\\").replace('"', '\\"') + '"'
        client.login(user, address.rsplit("@", 1)[0] if password is None else password)
        return client

    def inbox(self, address):
        client = self.login(address)
        try:
            self.assertEqual(client.select("INBOX", readonly=True)[0], "OK")
            numbers = client.search(None, "ALL")[1][0].split()
            return [client.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in numbers]
        finally:
            client.logout()

    def wait_for(self, address, marker, seconds=20):
        return wait_until(lambda: next((raw for raw in self.inbox(address) if marker.encode() in raw), None), seconds, 0.3)

    def send(self, sender, to, marker, port="smtp", starttls=False):
        with smtplib.SMTP("localhost", self.server.port(port), timeout=30) as client:
            if starttls:
                client.starttls(context=self.server.trust())
            client.login(sender, sender.rsplit("@", 1)[0])
            return client.sendmail(sender, [to], message(marker, marker + "\r\n", sender, to))

    def test_any_address_receives_and_its_mailbox_opens_at_once(self):
        for to in ("ivan@example.com", "petra.k+news@sub.domain.example", "o'brien@x.test", "a/b=c@y.test", ".$x@z.test"[1:]):
            with self.subTest(to=to):
                self.send("app@service.test", to, f"marker for {to}")
                self.wait_for(to, f"marker for {to}")

    def test_a_mailbox_is_made_by_its_first_login(self):
        self.assertEqual(self.inbox("never.seen@new-domain.test"), [])

    def test_the_password_is_the_part_before_the_at(self):
        for user, password in (("who@some.test", "somebody"), ("who@some.test", ""), ("who@some.test", "who@some.test")):
            with self.subTest(password=password), self.assertRaises(imaplib.IMAP4.error):
                self.login(user, password or '""')
        self.login("Who@Some.Test", "who").logout()  # case does not count

    def test_sending_to_other_domains_needs_a_login(self):
        with Dialog(self.server.port("smtp")) as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.assertRegex(dialog.say("MAIL FROM:<a@b.test>"), r"^250 ")
            self.assertRegex(dialog.say("RCPT TO:<c@d.test>"), r"^554 5\.7\.1 <c@d\.test>: Relay access denied")
            self.assertRegex(dialog.say("RCPT TO:<c@bad-domain.com>"), r"^554 5\.7\.1 ")
            self.assertRegex(dialog.say("RCPT TO:<c@mail.localhost>"), r"^250 ")

    def test_with_and_without_tls(self):
        self.send("one@a.test", "two@b.test", "marker plain")
        self.send("one@a.test", "two@b.test", "marker starttls", starttls=True)
        self.send("one@a.test", "two@b.test", "marker 587", port="submission", starttls=True)
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30) as client:
            client.login("one@a.test", "one")
            client.sendmail("one@a.test", ["two@b.test"], message("marker 465", "marker 465\r\n"))
        for marker in ("marker plain", "marker starttls", "marker 587", "marker 465"):
            self.wait_for("two@b.test", marker)
        self.login("two@b.test", tls=False).logout()

    def test_pop3_for_any_address_with_and_without_tls(self):
        self.send("one@a.test", "pop@b.test", "marker pop")
        self.wait_for("pop@b.test", "marker pop")
        for client in (poplib.POP3("127.0.0.1", self.server.port("pop3"), timeout=30),
                       poplib.POP3_SSL("localhost", self.server.port("pop3s"), context=self.server.trust(), timeout=30)):
            client.user("pop@b.test")
            client.pass_("pop")
            self.assertIn(b"marker pop", b"\n".join(client.retr(1)[1]))
            client.quit()

    def test_any_sender(self):
        with smtplib.SMTP("localhost", self.server.port("smtp"), timeout=30) as client:
            client.login("app@a.test", "app")
            client.sendmail("somebody.else@b.test", ["reader@c.test"], message("marker other", "marker other\r\n"))
        self.assertIn(b"Return-Path: <somebody.else@b.test>", self.wait_for("reader@c.test", "marker other"))

    def test_a_bad_domain_comes_back_after_some_time(self):
        begun = time.monotonic()
        self.assertEqual(self.send("writer@dev.test", "whoever@bad-domain.com", "marker bad"), {})
        self.assertEqual(self.inbox("writer@dev.test"), [])
        raw = self.wait_for("writer@dev.test", "bad-domain.com")
        self.assertGreaterEqual(time.monotonic() - begun, 2)
        report = email.message_from_bytes(raw)
        self.assertEqual(report.get_content_type(), "multipart/report")
        status = next(part for part in report.walk() if part.get_content_type() == "message/delivery-status")
        self.assertRegex(str(status), r"(?i)Final-Recipient: rfc822; ?whoever@bad-domain\.com")
        self.assertRegex(str(status), r"(?i)Status: 5\.1\.1")

    def test_the_delay_of_the_profile_is_ten_seconds(self):
        self.assertIn('error_delay = "10s"', self.server.conf.read_text())

    def test_another_bad_domain_by_the_table(self):
        self.server.append_map("transport", "gone.test error:5.7.1 Gone\n")
        self.server.run("reload")
        self.send("writer2@dev.test", "x@gone.test", "marker gone")
        self.assertIn(b"5.7.1", self.wait_for("writer2@dev.test", "gone.test"))

    def test_swaks_logs_in_and_sends(self):
        done = subprocess.run(["swaks", "--server", f"127.0.0.1:{self.server.port('smtp')}", "--to", "s@waks.test", "--from", "me@dev.test",
                               "--auth", "PLAIN", "--auth-user", "me@dev.test", "--auth-password", "me", "--body", "marker swaks"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.wait_for("s@waks.test", "marker swaks")

    def test_the_exchange_can_be_watched_with_headers_and_body(self):
        with Tap(self.server, "--all", "--bodies") as tap:
            self.send("watched@a.test", "seen@b.test", "marker watched")
            for text in ("smtp C: ehlo ", "smtp C: AUTH PLAIN [hidden]", "C: mail FROM:<watched@a.test>", "C: rcpt TO:<seen@b.test>", "C: Subject: marker watched",
                         "S: 250 2.0.0 Ok: queued as "):
                tap.wait(text)

    def test_every_part_logs_to_the_one_log(self):
        self.send("log@a.test", "log@b.test", "marker log")
        self.wait_for("log@b.test", "marker log")
        for text in ("role=edge event=smtp.accepted", "role=queue event=", "role=store event=store.delivered", "event=auth.", "posthorn: ready"):
            self.assertIn(text, self.server.log())

    def page(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port('http')}{path}", timeout=30) as answer:
            return answer.headers, answer.read()

    def test_the_certificate_to_download_is_the_one_to_trust(self):
        headers, pem = self.page("/ca.crt")
        self.assertEqual(headers["Content-Type"], "application/x-x509-ca-cert")
        context = ssl.create_default_context(cadata=pem.decode())
        with imaplib.IMAP4_SSL("localhost", self.server.port("imaps"), ssl_context=context, timeout=30) as client:
            client.login("trust@any.test", "trust")
        with urllib.request.urlopen(f"https://localhost:{self.server.port('https')}/", context=context, timeout=30) as answer:
            self.assertEqual(answer.status, 200)

    @unittest.skipIf(MISSING, NO_BROWSER)
    def test_the_information_page_in_a_browser_and_on_a_phone(self):
        browser = Browser(Site(self.server))
        self.addCleanup(browser.close)
        for width, name in ((1280, "page"), (375, "page-phone")):
            browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500})
            browser.driver.get(Site(self.server).url())
            text = browser.find("body").text
            for expected in ("mail.localhost", "any address", "before the @", str(self.server.port("imaps")), str(self.server.port("submissions")), str(self.server.port("pop3s"))):
                self.assertIn(expected, text)
            self.assertLessEqual(browser.driver.execute_script("return document.documentElement.scrollWidth"), width)
            browser.shot(name)
        links = [link.get_attribute("href") for link in browser.driver.find_elements("css selector", "a")]
        self.assertTrue(any(link.endswith("/ca.crt") for link in links), links)

    @unittest.skipIf(MISSING, NO_BROWSER)
    def test_webmail_for_any_address(self):
        with Webmail(self.server) as webmail:
            browser = Browser(webmail)
            self.addCleanup(browser.close)
            self.send("app@service.test", "first.seen@brand-new.example", "marker webmail")
            browser.login("first.seen@brand-new.example", "first.seen")
            header, text = browser.open("marker webmail")
            self.assertIn("app@service.test", header)
            self.assertIn("marker webmail", text)
            browser.compose("nobody.yet@another.example", "From any address", "Written for nobody yet.")
            raw = self.wait_for("nobody.yet@another.example", "Written for nobody yet.", 40)
            self.assertIn(b"From: first.seen@brand-new.example", raw)
            browser.driver.get(webmail.url("/?_task=logout"))  # without the token it only asks
            browser.driver.delete_all_cookies()
            browser.login("nobody.yet@another.example", "wrong")
            browser.until(lambda driver: "Login failed" in driver.page_source, "that the password is the part before the @")
            browser.login("nobody.yet@another.example", "nobody.yet")
            browser.until(lambda _: any("From any address" in row for row in browser.rows()), "the list of the new mailbox")

    def test_the_mailboxes_survive_a_restart(self):
        self.send("k@keep.test", "kept@keep.test", "marker kept")
        self.wait_for("kept@keep.test", "marker kept")
        self.server.stop()
        self.server.start()
        self.wait_for("kept@keep.test", "marker kept")


class Deployment(unittest.TestCase):
    """Certificates that come from outside, and mail that outlives the instance."""

    def test_a_certificate_of_an_authority_of_ones_own(self):
        """ca.cert.pem and mail.cert.pem for mail.localhost and 127.0.0.1; the page hands out the authority's."""
        server = Server(domains=("mail.localhost",), users=(), mx="mail.localhost", profile="dev",
                        env={name: "{folder}/ssl/" + file for name, file in (("POSTHORN_WEB_AUTHORITY", "certs/ca.cert.pem"), ("POSTHORN_PATHS_CERTIFICATE", "certs/mail.cert.pem"),
                                                                              ("POSTHORN_PATHS_KEY", "private/mail.key.pem"))})
        self.addCleanup(server.close)
        certs, private = server.folder / "ssl/certs", server.folder / "ssl/private"
        for folder in (certs, private):
            folder.mkdir(parents=True)
        openssl = lambda *args: subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        openssl("req", "-x509", *new, "-subj", "/CN=Our own CA", "-days", 30, "-keyout", private / "ca.key.pem", "-out", certs / "ca.cert.pem")
        openssl("req", *new, "-subj", "/CN=mail.localhost", "-keyout", private / "mail.key.pem", "-out", server.folder / "csr")
        (server.folder / "ext").write_text("subjectAltName=DNS:mail.localhost,DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", server.folder / "csr", "-CA", certs / "ca.cert.pem", "-CAkey", private / "ca.key.pem", "-days", 30,
                "-extfile", server.folder / "ext", "-out", certs / "mail.cert.pem")
        for file in certs.iterdir():
            file.chmod(0o444)
        (private / "mail.key.pem").chmod(0o400)
        if os.geteuid() == 0:  # the role that speaks TLS is not root
            shutil.chown(private / "mail.key.pem", group="posthorn-tls")
            (private / "mail.key.pem").chmod(0o440)
        server.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port('http')}/ca.crt", timeout=30) as answer:
            pem = answer.read().decode()
        self.assertEqual(ssl.PEM_cert_to_DER_cert(pem), ssl.PEM_cert_to_DER_cert((certs / "ca.cert.pem").read_text()))
        context = ssl.create_default_context(cadata=pem)
        for host in ("localhost", "127.0.0.1"):
            with imaplib.IMAP4_SSL(host, server.port("imaps"), ssl_context=context, timeout=30) as client:
                client.login("a@b.test", "a")
            with smtplib.SMTP_SSL(host, server.port("submissions"), context=context, timeout=30) as client:
                client.login("a@b.test", "a")
            pop = poplib.POP3_SSL(host, server.port("pop3s"), context=context, timeout=30)
            pop.user("a@b.test")
            pop.pass_("a")
            pop.quit()

    def test_mail_on_a_volume_outlives_the_instance(self):
        first = Server(domains=("mail.localhost",), users=(), mx="mail.localhost", profile="dev", env={"POSTHORN_PATHS_MAIL": "{folder}/volume"})
        self.addCleanup(first.close)
        first.start()
        with smtplib.SMTP("localhost", first.port("smtp"), timeout=30) as client:
            client.login("a@b.test", "a")
            client.sendmail("a@b.test", ["kept@far.test"], message("Kept", "marker volume\r\n"))
        volume = first.folder / "volume"
        wait_until(lambda: list(volume.glob("far.test/kept/new/*")))
        first.stop()
        second = Server(domains=("mail.localhost",), users=(), mx="mail.localhost", profile="dev", env={"POSTHORN_PATHS_MAIL": str(volume)})
        self.addCleanup(second.close)
        second.start()
        client = imaplib.IMAP4("127.0.0.1", second.port("imap"), timeout=30)
        client.login("kept@far.test", "kept")
        self.assertEqual(client.select("INBOX")[1], [b"1"])
        self.assertIn(b"marker volume", client.fetch("1", "(BODY[])")[1][0][1])
        client.logout()


if __name__ == "__main__":
    unittest.main()
