"""DKIM: what users send arrives with signatures that hold, as another program sees it, whatever the next server makes of it; what
strangers wrote never gets one; and the tool that makes the keys.

dkimpy checks the signatures (Debian's python3-dkim, run by the system's Python) with the records that `posthorn dkim` printed.
"""

import email
import json
import os
import pathlib
import re
import smtplib
import stat
import subprocess
import sys
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Dns, POSTHORN, Server, Smarthost, message, wait_until

SANITIZED = b"__asan_init" in pathlib.Path(POSTHORN).read_bytes()
# For each signature, from the top: domain, selector, algorithm and whether it holds.
VERIFIER = """
import dkim, json, sys
records = json.loads(sys.argv[1])
text = sys.stdin.buffer.read()
found = []
count = sum(name.lower() == b"dkim-signature" for name, _ in dkim.rfc822_parse(text)[0])
for index in range(count):
    one = dkim.DKIM(text, minkey=1024)
    try:
        holds = one.verify(idx=index, dnsfunc=lambda name, timeout=5: records.get(name.decode().rstrip("."), "").encode() or None)
    except dkim.DKIMException as error:
        holds = str(error)
    fields = one.signature_fields
    found.append([fields[b"d"].decode(), fields[b"s"].decode(), fields[b"a"].decode(), holds])
print(json.dumps(found))
"""
SCRIPT = 'if header :contains "Subject" "send away" { redirect "friend@far.test"; }\n'


class Signed(unittest.TestCase):
    """A server with keys for two of its domains, a smarthost that takes anything, and one for plain.test that takes 7 bits only."""

    DOMAINS = ("example.org", "other.test", "keyless.test")
    USERS = ("alice", "bob", "carol@other.test", "dora@keyless.test")

    @classmethod
    def setUpClass(cls):
        cls.smarthost = cls.enter(Smarthost(require_auth=False))
        cls.plain = cls.enter(Smarthost(require_auth=False, script={"EHLO": "250-plain.test\r\n250 SIZE 100000000"}))
        cls.server = Server(domains=cls.DOMAINS, users=cls.USERS, settings=cls.smarthost.settings())
        cls.addClassCleanup(cls.server.close)
        cls.server.append_map("transport", f"plain.test smtp:[127.0.0.1]:{cls.plain.port}\n")
        (cls.server.root / "sieve/default.sieve").write_text(SCRIPT)
        cls.keys = cls.server.root / "dkim"
        cls.server.run("dkim", "key", "example.org")
        cls.server.run("dkim", "key", "example.org", "--ed25519")
        cls.server.run("dkim", "key", "Other.Test", "--selector", "S2026")
        cls.server.run("dkim", "key", "mx.example.org", "--ed25519", "--selector", "host")
        cls.server.start()

    @classmethod
    def enter(cls, context):
        cls.addClassCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def records(self):
        found = {}
        for line in self.server.run("dkim", "show").stdout.splitlines():
            name, strings = re.fullmatch(r"(\S+)\. IN TXT \( (.*) \)", line).groups()
            parts = re.findall(r'"([^"]*)"', strings)
            self.assertTrue(all(len(part) <= 255 for part in parts))
            found[name] = "".join(parts)
        return found

    def verify(self, text):
        done = subprocess.run(["/usr/bin/python3", "-c", VERIFIER, json.dumps(self.records())], input=text, capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return json.loads(done.stdout)

    def sent(self, text, user="alice", marker=None, to="friend@far.test", where=None, sender=None):
        self.server.submit(user, text, [to], sender)
        return (where or self.smarthost).wait_for(marker)[2]

    BOTH = [["example.org", "mail", "rsa-sha256", True], ["example.org", "mail-ed25519", "ed25519-sha256", True]]

    def assertSigned(self, text, signatures=None):
        self.assertEqual(self.verify(text), self.BOTH if signatures is None else signatures, text[:3000].decode("utf-8", "replace"))


class What(Signed):
    def test_both_keys_sign_and_both_signatures_hold(self):
        text = self.sent(message("Hello", "marker both\r\n"), marker="marker both")
        self.assertSigned(text)
        self.assertRegex(self.server.log(), r"event=dkim\.signed .*domain=example\.org selectors=mail,mail-ed25519")
        top = text.split(b"\r\nReceived:")[0]
        self.assertTrue(all(len(line) <= 78 for line in top.split(b"\r\n")), top)

    def test_what_is_changed_on_the_way_does_not_hold(self):
        text = self.sent(message("Hello", "marker changed\r\n"), marker="marker changed")
        for before, after in ((b"Hello", b"Hallo"), (b"marker changed", b"marker forged"), (b"\r\nSubject:", b"\r\nSubject: second\r\nSubject:"),
                              (b"\r\nFrom:", b"\r\nFrom: <boss@example.org>\r\nFrom:"), (b"\r\nTo:", b"\r\nReply-To: <eve@evil.test>\r\nTo:")):
            for *_, holds in self.verify(text.replace(before, after, 1)):
                self.assertNotEqual(holds, True, after)
        self.assertSigned(text.replace(b"\r\nSubject: Hello", b"\r\nSUBJECT:\r\n  Hello ", 1))  # relaxed
        self.assertSigned(b"Received: from x\r\n" + text + b"\r\n\r\n")

    def test_bodies_with_odd_ends(self):
        for n, body in enumerate(("marker-{} \t x \r\n\r\n\r\n \r\n", "\r\n\r\nmarker-{}", "marker-{}\r\n.\r\n..\r\n", "marker-{} ")):
            marker = f"odd{n}"
            with self.subTest(body):
                self.assertSigned(self.sent(message("Odd", body.format(marker)), marker=f"marker-{marker}"))
        self.assertSigned(self.sent(message("marker empty body", ""), marker="marker empty body"))

    def test_long_folded_and_repeated_fields(self):
        text = message("one\r\n two\t\r\n\tthree", "marker folded\r\n", References="\r\n ".join(f"<{n}.{'x' * 60}@example.org>" for n in range(200)),
                       List_Unsubscribe="<mailto:a@example.org>,\r\n <https://example.org/>", MIME_Version="1.0")
        text = b"Comments: a\r\nCc: x@far.test\r\n" + text.replace(b"MIME-Version", b"Cc: y@far.test\r\nX-Long: " + b"z" * 3000 + b"\r\nMIME-Version", 1)
        self.assertSigned(self.sent(text, marker="marker folded"))

    EIGHT = message("8 bit", "grüße marker {}\r\n\r\n", MIME_Version="1.0", Content_Type="text/plain; charset=utf-8", Content_Transfer_Encoding="8bit").decode()

    def test_eight_bit_text_to_a_server_that_takes_it(self):
        text = self.sent(self.EIGHT.format("eight").encode(), marker="marker eight")
        self.assertIn("grüße".encode(), text)
        self.assertSigned(text)

    def test_eight_bit_text_to_a_server_that_does_not(self):
        text = self.sent(self.EIGHT.format("seven").encode(), marker="marker seven", to="friend@plain.test", where=self.plain)
        self.assertIn(b"gr=C3=BC=C3=9Fe", text)
        self.assertSigned(text)

    def test_lines_that_are_too_long_are_mended_before_it_signs(self):
        body = "marker long lines " + "x" * 2500 + " grüße\r\n"
        mail = message("one", body, References=" ".join(f"<{n}.{'x' * 60}@example.org>" for n in range(60)), MIME_Version="1.0",
                       Content_Type="text/plain; charset=utf-8", Content_Transfer_Encoding="8bit")
        text = self.sent(mail, marker="marker long lines")
        self.assertLessEqual(max(len(line) for line in text.split(b"\r\n")), 998)
        self.assertSigned(text)
        sent = email.message_from_bytes(text)
        self.assertEqual(sent.get_payload(decode=True).decode(), body)
        self.assertEqual(sent["References"].split(), email.message_from_bytes(mail)["References"].split())

    def test_the_from_domain_chooses_the_key(self):
        text = self.sent(message("x", "marker other\r\n", sender="carol@other.test"), "carol@other.test", "marker other")
        self.assertSigned(text, [["other.test", "s2026", "rsa-sha256", True]])
        text = self.sent(message("x", "marker keyless\r\n", sender="dora@keyless.test"), "dora@keyless.test", "marker keyless")
        self.assertSigned(text, [])

    def test_who_may_not_write_as_another_domain_gets_no_signature_of_it(self):
        text = self.sent(message("x", "marker spoof\r\n", sender="carol@other.test"), "alice", "marker spoof")
        self.assertIn(b"Sender: ", text)  # submission.check_from
        self.assertSigned(text, [])

    def test_a_copy_that_is_sent_again_is_signed_once(self):
        text = self.sent(message("x", "marker again\r\n"), marker="marker again")
        before = len(self.smarthost.received)
        self.server.submit("alice", text, ["friend@far.test"])
        wait_until(lambda: len(self.smarthost.received) > before)
        self.assertSigned(next(m[2] for m in self.smarthost.received[before:] if b"marker again" in m[2]))

    def test_it_is_counted(self):
        count = lambda: int(re.search(r'posthorn_dkim_messages_total\{result="signed"\} (\d+)', self.server_metrics())[1])
        before = count()
        self.sent(message("x", "marker counted\r\n"), marker="marker counted")
        wait_until(lambda: count() > before)

    def server_metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port('http')}/metrics", timeout=30) as answer:
            return answer.read().decode()

    def test_local_mail_is_signed_too(self):
        self.server.submit("alice", message("x", "marker local\r\n"), ["bob@example.org"])
        self.assertSigned(self.server.wait_for("marker local"))

    def test_our_own_notices_are_signed(self):
        with Smarthost(require_auth=False, script={"RCPT": "550 5.1.1 nobody"}) as refusing:
            self.server.append_map("transport", f"refusing.test smtp:[127.0.0.1]:{refusing.port}\n")
            self.server.run("reload")
            self.server.submit("bob", message("x", "marker bounce\r\n", sender="bob@example.org"), ["nobody@refusing.test"])
            self.assertSigned(self.server.wait_for("nobody@refusing.test"), [["mx.example.org", "host", "ed25519-sha256", True]])


class Strangers(Signed):
    def setUp(self):
        self.server.write_map("aliases", "away@example.org friend@far.test\n")
        self.server.run("reload")

    def test_their_mail_is_sent_on_without_a_signature(self):
        for sender in ("friend@elsewhere.test", "alice@example.org"):  # the second is forged
            with self.subTest(sender):
                marker = "marker alias " + sender.split("@")[0]
                self.server.send(message("x", marker + "\r\n", sender=sender), to=["away@example.org"])
                self.assertSigned(self.smarthost.wait_for(marker)[2], [])

    def test_what_a_sieve_script_sends_on_gets_none(self):
        self.server.send(message("send away", "marker sieve\r\n", sender="alice@example.org"), to=["bob@example.org"])
        self.assertSigned(self.smarthost.wait_for("marker sieve")[2], [])

    def test_what_a_user_sent_keeps_its_own_when_a_script_sends_it_on(self):
        self.server.submit("alice", message("send away", "marker own sieve\r\n"), ["bob@example.org"])
        self.assertSigned(self.smarthost.wait_for("marker own sieve")[2])

    def test_local_mail_of_theirs_has_none(self):
        self.server.send(message("x", "marker in\r\n"), to=["bob@example.org"])
        self.assertSigned(self.server.wait_for("marker in"), [])


class Large(Signed):
    def test_a_large_attachment_is_never_held(self):
        queue = self.server.roles()["queue"]
        peak = lambda: int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{queue}/status").read_text())[1])
        self.sent(message("warm", "marker warm\r\n"), marker="marker warm")
        before = peak()
        line = "x" * 76 + "\r\n"
        body = "--b\r\nContent-Type: application/octet-stream\r\n\r\n" + line * (10_000_000 // 78) + "--b--\r\nmarker large\r\n"
        self.server.submit("alice", message("Large", body, MIME_Version="1.0", Content_Type="multipart/mixed; boundary=b"), ["friend@far.test"])
        text = self.smarthost.wait_for("marker large", 120)[2]
        after = peak()
        self.assertSigned(text)
        if not SANITIZED:
            self.assertLess(after - before, 6 * 1024, "KiB more for a mail of 10 MB")


class Keys(Signed):
    def key(self, *args, **kwargs):
        return self.server.run("dkim", "key", *args, **kwargs)

    def selectors(self, domain, marker):
        user = "alice" if domain == "example.org" else f"dora@{domain}"
        text = self.sent(message("x", marker + "\r\n", sender=user if "@" in user else f"{user}@example.org"), user, marker)
        return [(selector, holds) for _, selector, _, holds in self.verify(text)]

    def test_keys_come_and_go_while_it_runs(self):
        domain = "keyless.test"
        self.assertEqual(self.selectors(domain, "marker live-0"), [])
        self.key(domain)
        self.assertEqual(self.selectors(domain, "marker live-1"), [("mail", True)])
        self.key(domain, "--selector", "next", "--bits", "4096")
        self.assertEqual(self.selectors(domain, "marker live-2"), [("mail", True), ("next", True)])
        (self.keys / domain / "mail.pem").unlink()
        self.assertEqual(self.selectors(domain, "marker live-3"), [("next", True)])
        # One that cannot be used: the mail goes out, and the log and `check` say why it is not signed.
        broken = self.keys / domain / "next.pem"
        broken.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        done = self.server.run("dkim", "show", domain, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.server.submit(f"dora@{domain}", message("x", "marker live-4\r\n", sender=f"dora@{domain}"), ["friend@far.test"])
        self.assertNotIn(b"DKIM-Signature", self.smarthost.wait_for("marker live-4")[2])
        self.assertRegex(self.server.log(), rf'level=error .*event=dkim\.failed .*domain={domain} error="{broken}:1: this is no private key')
        check = self.server.run("check", check=False)
        self.assertEqual(check.returncode, 1)
        self.assertIn(f"{broken}:1: this is no private key", check.stderr)
        broken.unlink()
        self.assertEqual(self.server.run("check").stdout.splitlines()[-1], "no faults")

    def test_a_key_is_never_overwritten_and_closed_to_others(self):
        file = self.keys / "example.org/mail.pem"
        before = file.read_bytes()
        again = self.key("example.org", check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("never overwritten", again.stderr)
        self.assertEqual(file.read_bytes(), before)
        self.assertEqual(sorted(path.name for path in file.parent.iterdir()), ["mail-ed25519.pem", "mail.pem"])
        status = file.stat()
        if os.geteuid() == 0:
            self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid, file.group()), (0o640, 0, "posthorn-queue"))
        else:
            self.assertEqual(stat.S_IMODE(status.st_mode), 0o600)
        os.chmod(file, 0o644)
        try:
            self.assertIn(f"{file}:1: every account of this machine can read this key", self.server.run("check", check=False).stderr)
        finally:
            os.chmod(file, stat.S_IMODE(status.st_mode))

    @unittest.skipUnless(os.geteuid() == 0, "roles have accounts of their own only under root")
    def test_a_key_that_the_sending_role_cannot_read_is_told_of(self):
        """As root copies it there, 0600: `check` could read it, the role cannot."""
        file = self.keys / "mx.example.org/host.pem"
        self.addCleanup(os.chown, file, 0, file.stat().st_gid)
        self.addCleanup(file.chmod, 0o640)
        self.assertEqual(self.server.run("check").returncode, 0)
        for spoil in (lambda: file.chmod(0o600), lambda: os.chown(file, 0, 0)):
            file.chmod(0o640)
            spoil()
            check = self.server.run("check", check=False)
            self.assertEqual(check.returncode, 1)
            self.assertIn(f"{file}:1: the account posthorn-queue cannot read this key; chgrp posthorn-queue {file} ", check.stderr)

    def test_names_that_are_none(self):
        for args in (("../etc",), ("",), ("a b",), ("example.org", "--selector", "../x"), ("example.org", "--bits", "512"),
                     ("example.org", "--bits", "4096", "--ed25519")):
            self.assertNotEqual(self.key(*args, check=False).returncode, 0, args)
        self.assertEqual(sorted(path.name for path in self.server.root.iterdir()), ["authority", "conf", "dkim", "maps", "sieve", "tls", "var"])

    def test_the_records_are_compared_with_the_dns(self):
        records = self.records()
        strings = lambda text: [[text[at:at + 255] for at in range(0, len(text), 255)]]
        name, other = "mail._domainkey.example.org", "mail-ed25519._domainkey.example.org"
        with Dns() as dns:
            self.server.env["POSTHORN_RELAY_RESOLVER"] = dns.address
            self.addCleanup(self.server.env.pop, "POSTHORN_RELAY_RESOLVER")
            check = lambda: self.server.run("dkim", "check", "example.org", check=False)
            done = check()
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{name}: there is no such record\nit should be\n{name}. IN TXT ( \"v=DKIM1; k=rsa; p=", done.stdout)
            dns.records[(name, "TXT")] = strings(records[name])
            dns.records[(other, "TXT")] = strings(records[name])
            done = check()
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{name}: ok\n", done.stdout)
            self.assertIn(f"{other}: the record is of another key\n", done.stdout)
            dns.records[(other, "TXT")] = strings(records[other].replace("; ", " ;\t "))
            done = check()
            self.assertEqual((done.returncode, done.stdout), (0, f"{name}: ok\n{other}: ok\n"))
            dns.records[(name, "TXT")] = [["v=DKIM1; p="]]
            self.assertIn("revoked", check().stdout)
            dns.records[(name, "TXT")] = "SERVFAIL"
            self.assertIn("could not be asked for", check().stdout)
            self.assertIn("has no key", self.server.run("dkim", "check", "none.test", check=False).stderr)


class Settings(unittest.TestCase):
    def test_who_else_sends_in_our_name(self):
        """Programs of the machine, and networks that are trusted."""
        with Smarthost(require_auth=False) as smarthost:
            server = Server(users=("alice",), settings=smarthost.settings(**{"submission.programs": '"relay"', "smtp.relay_from": '["127.0.0.2/32"]'}))
            self.addCleanup(server.close)
            server.run("dkim", "key", "example.org")
            server.start()
            sendmail = server.folder / "sendmail"
            sendmail.symlink_to(pathlib.Path(POSTHORN).resolve())
            done = subprocess.run([sendmail, "-C", server.conf, "-f", "alice@example.org", "friend@far.test"], input=b"From: alice@example.org\n\nmarker program\n",
                                  capture_output=True, timeout=60)
            if os.geteuid() == 0:  # any sender
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertTrue(smarthost.wait_for("marker program")[2].startswith(b"DKIM-Signature: "))
            with smtplib.SMTP("127.0.0.1", server.port("smtp"), local_hostname="client.test", timeout=30, source_address=("127.0.0.2", 0)) as client:
                client.sendmail("alice@example.org", ["friend@far.test"], message("x", "marker network\r\n"))
            self.assertTrue(smarthost.wait_for("marker network")[2].startswith(b"DKIM-Signature: "))

    def test_mail_waits_for_a_key_where_that_is_wished(self):
        with Smarthost(require_auth=False) as smarthost:
            server = Server(users=("alice",), settings=smarthost.settings(**{"dkim.when_broken": '"wait"'}))
            self.addCleanup(server.close)
            server.run("dkim", "key", "example.org")
            file = server.root / "dkim/example.org/mail.pem"
            whole = file.read_text()
            file.write_text("")
            server.start()
            self.assertRegex(server.log(), r"event=dkim\.failed .*mail\.pem:1")  # at the start already
            server.submit("alice", message("x", "marker waits\r\n"), ["friend@far.test"])
            wait_until(lambda: "a DKIM key cannot be used" in server.run("queue", "list").stdout)
            self.assertEqual(smarthost.received, [])
            file.write_text(whole)
            server.run("queue", "retry", "--all")
            self.assertIn(b"DKIM-Signature: ", smarthost.wait_for("marker waits")[2])

    def test_nothing_is_signed_where_it_is_turned_off(self):
        with Smarthost(require_auth=False) as smarthost:
            server = Server(users=("alice",), settings=smarthost.settings(), env={"ENABLE_OPENDKIM": "0"}, one_process=True)
            self.addCleanup(server.close)
            self.assertIn("dkim.sign is false", server.run("dkim", "key", "example.org").stdout)
            server.start()
            server.submit("alice", message("x", "marker off\r\n"), ["friend@far.test"])
            self.assertNotIn(b"DKIM-Signature", smarthost.wait_for("marker off")[2])


if __name__ == "__main__":
    unittest.main()
