"""Real clients against a running server: mutt, mbsync, swaks, curl, Python's libraries."""

import imaplib
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, message, run, wait_until


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-client-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.cert = self.server.root / "tls" / "cert.pem"

    def test_swaks_submits_on_587_and_465(self):
        for port, mode in ((self.server.port("submission"), "--tls"), (self.server.port("submissions"), "--tls-on-connect")):
            marker = f"marker swaks {port}"
            run(["swaks", "--server", "localhost", "--port", str(port), mode, "--auth", "PLAIN", "--auth-user", "alice@example.org",
                 "--auth-password", "pw-alice", "--from", "alice@example.org", "--to", "bob@example.org", "--body", marker])
            self.server.wait_for(marker)
        login = run(["swaks", "--server", "localhost", "--port", str(self.server.port("submission")), "--tls", "--auth", "LOGIN",
                     "--auth-user", "alice@example.org", "--auth-password", "no", "--from", "alice@example.org", "--to",
                     "bob@example.org"], check=None)
        self.assertEqual(login.returncode, 28)  # swaks: authentication failed

    def test_curl_submits_and_reads(self):
        mail = self.folder / "mail"
        mail.write_bytes(message("curl", "marker curl\r\n"))
        run(["curl", "-sS", "--cacert", self.cert, f"smtps://localhost:{self.server.port('submissions')}", "-u",
             "alice@example.org:pw-alice", "--mail-from", "alice@example.org", "--mail-rcpt", "bob@example.org", "-T", mail])
        self.server.wait_for("marker curl")
        listing = run(["curl", "-sS", "--cacert", self.cert, f"imaps://localhost:{self.server.port('imaps')}/", "-u",
                       "bob@example.org:pw-bob"]).stdout
        for name in ("INBOX", "Junk", "Sent", "Drafts", "Trash", "Archive"):
            self.assertIn(name, listing)
        found = run(["curl", "-sS", "--cacert", self.cert,
                     f"imaps://localhost:{self.server.port('imaps')}/INBOX?TEXT%20curl", "-u", "bob@example.org:pw-bob"]).stdout
        self.assertRegex(found, r"\* SEARCH \d+")
        upload = run(["curl", "-sS", "--cacert", self.cert, f"imaps://localhost:{self.server.port('imaps')}/Drafts", "-u",
                      "bob@example.org:pw-bob", "-T", mail])
        self.assertEqual(upload.returncode, 0)
        self.assertEqual(self.server.fetch_all("bob", "Drafts"), [mail.read_bytes()])

    def test_mbsync_keeps_a_two_way_copy(self):
        for i in range(5):
            self.server.send(message(f"sync {i}", f"marker sync {i}\r\n"), to=["alice@example.org"])
            self.server.wait_for(f"marker sync {i}", "alice")
        mail = self.folder / "mail"
        mail.mkdir()
        rc = self.folder / "rc"
        rc.write_text(f"""
IMAPStore far
Host localhost
Port {self.server.port('imaps')}
User alice@example.org
Pass pw-alice
SSLType IMAPS
CertificateFile {self.cert}

MaildirStore near
Path {mail}/
Inbox {mail}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")
        rc.chmod(0o600)
        sync = ["mbsync", "-c", str(rc), "-a"]
        run(sync)
        files = [f for sub in ("new", "cur") for f in (mail / "INBOX" / sub).iterdir()]
        copies = [f.read_bytes() for f in files]
        for i in range(5):
            self.assertTrue(any(f"marker sync {i}".encode() in copy for copy in copies), i)

        # Near to far: a new message, a flag, a deletion.
        (mail / "INBOX" / "new" / "1700000000.M1P1.near").write_bytes(message("near", "marker from near\r\n").replace(b"\r\n", b"\n"))
        flagged = next(f for f in files if b"marker sync 1" in f.read_bytes())
        base = flagged.name.split(":2,")[0]
        flagged.rename(mail / "INBOX" / "cur" / f"{base}:2,FS")
        gone = next(f for f in files if f.exists() and b"marker sync 2" in f.read_bytes())
        base = gone.name.split(":2,")[0]
        gone.rename(mail / "INBOX" / "cur" / f"{base}:2,ST")
        run(sync)
        far = self.server.fetch_all("alice")
        self.assertTrue(any(b"marker from near" in raw for raw in far))
        self.assertFalse(any(b"marker sync 2" in raw for raw in far))
        client = self.server.imap("alice")
        client.select("INBOX")
        kind, found = client.search(None, "FLAGGED")
        self.assertEqual(len(found[0].split()), 1)
        # Far to near: a deletion and a new folder.
        kind, found = client.search(None, "SUBJECT", '"sync 3"')
        client.store(found[0], "+FLAGS", r"(\Deleted)")
        client.expunge()
        client.create("Projects")
        client.logout()
        run(sync)
        near = [f.read_bytes() for sub in ("new", "cur") for f in (mail / "INBOX" / sub).iterdir()]
        self.assertFalse(any(b"marker sync 3" in raw for raw in near))
        self.assertTrue((mail / "Projects").is_dir())

    def test_mutt_reads_and_sends(self):
        self.server.send(message("For mutt", "marker mutt in\r\n"), to=["alice@example.org"])
        self.server.wait_for("marker mutt in", "alice")
        rc = self.folder / "muttrc"
        out = self.folder / "out"
        rc.write_text(f"""
set ssl_starttls=yes
set certificate_file="{self.cert}"
set ssl_ca_certificates_file="{self.cert}"
set ssl_usesystemcerts=no
set imap_user="alice@example.org"
set imap_pass="pw-alice"
set smtp_url="smtps://alice@example.org@localhost:{self.server.port('submissions')}/"
set smtp_pass="pw-alice"
set from="alice@example.org"
set realname="Alice"
set folder="imaps://localhost:{self.server.port('imaps')}/"
set spoolfile="imaps://localhost:{self.server.port('imaps')}/INBOX"
set record="imaps://localhost:{self.server.port('imaps')}/Sent"
set postponed="imaps://localhost:{self.server.port('imaps')}/Drafts"
set header_cache=
set message_cachedir=
set copy=yes
set delete=yes
set quit=yes
set wait_key=no
set sleep_time=0
""")
        env = {"HOME": str(self.folder), "TERM": "xterm"}
        run(["mutt", "-F", str(rc), "-s", "From mutt", "bob@example.org"], env=env, input="marker mutt out\n")
        self.server.wait_for("marker mutt out", "bob")
        self.assertTrue(any(b"marker mutt out" in raw for raw in self.server.fetch_all("alice", "Sent")))
        # Reading: every message is piped through cat, then mutt quits.
        done = run(["script", "-qec", f"mutt -F {rc} -e 'set pipe_split=yes' -e 'push <tag-pattern>~A<enter>"
                    f"<tag-prefix><pipe-message>cat>>{out}<enter><quit>'", "/dev/null"], env=env, check=None)
        wait_until(lambda: out.exists() and b"marker mutt in" in out.read_bytes(), 20)
        self.assertEqual(done.returncode, 0)

    def test_imaplib_works_a_mailbox(self):
        client = self.server.imap("bob")
        self.assertEqual(client.create('"bad &Jjo!"')[0], "NO")
        self.assertEqual(client.create("Lists/Announce")[0] in ("OK", "NO"), True)
        self.assertEqual(client.create("Work2.2026")[0], "OK")
        kind, data = client.append("Work2.2026", r"(\Seen $Label1)", imaplib.Time2Internaldate(1_700_000_000), message("appended", "marker append\r\n"))
        self.assertEqual(kind, "OK", data)
        self.assertRegex(data[0].decode(), r"APPENDUID \d+ \d+")
        kind, data = client.select("Work2.2026")
        self.assertEqual((kind, data), ("OK", [b"1"]))
        kind, data = client.fetch("1", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY[HEADER.FIELDS (SUBJECT)])")
        self.assertEqual(kind, "OK", data)
        text = b" ".join(part if isinstance(part, bytes) else b"".join(part) for part in data)
        for expected in (b"\\Seen", b"$Label1", b'14-Nov-2023', b'"appended"', b"Subject: appended", b'"TEXT" "PLAIN"'):
            self.assertIn(expected.lower(), text.lower())
        kind, data = client.uid("COPY", "1:*", "Archive")
        self.assertEqual(kind, "OK", data)
        kind, data = client.uid("MOVE", "1:*", "Trash")
        self.assertEqual(kind, "OK", data)
        self.assertEqual(client.select("Work2.2026")[1], [b"0"])
        self.assertEqual(client.select("Trash")[1], [b"1"])
        self.assertEqual(client.select("Archive")[1], [b"1"])
        self.assertEqual(client.rename("Work2.2026", "Work3")[0], "OK")
        self.assertEqual(client.delete("Work3")[0], "OK")
        client.logout()

    def test_two_sessions_see_each_other(self):
        one, two = self.server.imap("alice"), self.server.imap("alice")
        one.create("Shared")
        one.select("Shared")
        two.select("Shared")
        one.append("Shared", None, None, message("s1"))
        one.append("Shared", None, None, message("s2"))
        two.noop()
        self.assertEqual(two.response("EXISTS")[1][-1], b"2")
        one.noop()
        one.store("1", "+FLAGS", r"(\Flagged)")
        two.noop()
        self.assertIn(b"\\Flagged", b"".join(x for x in two.response("FETCH")[1] if x))
        two.store("2", "+FLAGS", r"(\Deleted)")
        two.expunge()
        one.noop()
        self.assertEqual(one.response("EXPUNGE")[1], [b"2"])
        one.logout()
        two.logout()

    def test_dropped_files_appear(self):
        self.server.send(message("before", "marker before drop\r\n"))
        self.server.wait_for("marker before drop")
        cur = self.server.maildir("bob") / "cur"
        dropped = cur / "1600000000.M1P1.elsewhere:2,FS"
        dropped.write_bytes(message("dropped", "marker dropped\r\n").replace(b"\r\n", b"\n"))
        os.utime(dropped, (1_600_000_000, 1_600_000_000))
        if os.geteuid() == 0:
            shutil.chown(dropped, "vmail", "vmail")
        self.server.wait_for("marker dropped")
        client = self.server.imap("bob")
        client.select("INBOX")
        kind, found = client.search(None, "SUBJECT", "dropped")
        kind, data = client.fetch(found[0], "(FLAGS INTERNALDATE)")
        self.assertIn(b"\\Flagged", data[0])
        self.assertIn(b"13-Sep-2020", data[0])
        client.logout()


if __name__ == "__main__":
    unittest.main()
