"""Ids, special uses and annotations of mailboxes (RFC 8474, 6154, 5464), over a lost index, kill -9 and an export."""

import imaplib
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server

CAPABILITIES = ("METADATA", "OBJECTID", "SPECIAL-USE", "CREATE-SPECIAL-USE")
MAIL = b"From: a@example.org\r\nSubject: one\r\n\r\nbody\r\n"


def simple(client, command, *arguments):
    """A command that imaplib does not know."""
    imaplib.Commands.setdefault(command, ("AUTH", "SELECTED"))
    return client._simple_command(command, *arguments)


def metadata(client, mailbox, entries):
    kind, text = simple(client, "GETMETADATA", mailbox, entries)
    found = client.response("METADATA")[1]
    return kind, [part for piece in found or [] if piece for part in (piece if isinstance(piece, tuple) else (piece,))]


def mailbox_id(client, mailbox):
    return re.search(rb"MAILBOXID \((F[0-9a-f]+)\)", client.status(mailbox, "(MAILBOXID)")[1][0]).group(1)


class Annotations(unittest.TestCase):
    def setUp(self):
        self.server = Server(users=("alice", "bob"))
        self.server.start()
        self.addCleanup(self.server.close)

    def test_they_last(self):
        client = self.server.imap("alice")
        for word in CAPABILITIES:
            self.assertIn(word, client.capability()[1][0].decode().split())
        self.assertEqual(simple(client, "CREATE", "Spam", r"(USE (\Junk))")[0], "OK")
        self.assertEqual(simple(client, "SETMETADATA", "Spam", '(/shared/comment "x" /private/comment "mine")')[0], "OK")
        self.assertEqual(simple(client, "SETMETADATA", '""', '(/shared/comment "account")')[0], "OK")
        client.append("Spam", "", None, MAIL)
        client.select("Spam")
        ids = client.fetch("1", "(EMAILID THREADID)")[1][0]
        self.assertRegex(ids, rb"EMAILID \(M[0-9a-f]{40}\) THREADID NIL")
        client.copy("1", "INBOX")
        mailbox = mailbox_id(client, "Spam")
        client.rename("Spam", "Rubbish")
        client.logout()
        for turn in range(2):
            if turn == 0:
                self.server.kill()
            else:
                self.server.stop()
                for path in self.server.maildir("alice").glob("posthorn.index*"):
                    path.unlink()
            self.server.start()
            client = self.server.imap("alice")
            self.assertEqual(mailbox_id(client, "Rubbish"), mailbox)
            self.assertNotEqual(mailbox_id(client, "INBOX"), mailbox)
            simple(client, "LIST", "(SPECIAL-USE)", '""', "*")
            uses = client.response("LIST")[1]
            self.assertEqual([line.split(b'"." ')[1] for line in uses if rb"\Junk" in line], [b"Rubbish"])
            kind, told = metadata(client, "Rubbish", "(/shared/comment /private/comment)")
            self.assertEqual((kind, told), ("OK", [b'Rubbish (/private/comment "mine" /shared/comment "x")']))
            self.assertEqual(metadata(client, '""', "/shared/comment")[1], [b'"" (/shared/comment "account")'])
            client.select("INBOX")
            self.assertEqual(client.fetch("1", "(EMAILID THREADID)")[1][0], ids)
            client.logout()

    def test_nobody_sees_those_of_others(self):
        client = self.server.imap("alice")
        self.assertEqual(simple(client, "SETMETADATA", '""', '(/shared/comment "of alice")')[0], "OK")
        self.assertEqual(simple(client, "SETMETADATA", "INBOX", '(/shared/comment "of alice")')[0], "OK")
        client.logout()
        client = self.server.imap("bob")
        for mailbox in ('""', "INBOX"):
            self.assertEqual(metadata(client, mailbox, "/shared/comment")[1], [mailbox.encode() + b" (/shared/comment NIL)"])
        self.assertEqual(metadata(client, '""', "/shared/admin")[1], [b'"" (/shared/admin "mailto:postmaster@example.org")'])
        client.logout()

    def test_what_is_too_much(self):
        client = self.server.imap("alice")
        kind, (text,) = simple(client, "SETMETADATA", "INBOX", '(/shared/comment {70000}')
        self.assertEqual((kind, text[:25]), ("NO", b"[METADATA MAXSIZE 65536] "))
        for first in range(0, 1000, 100):
            many = " ".join(f'/shared/n{number} "x"' for number in range(first, first + 100))
            self.assertEqual(simple(client, "SETMETADATA", "INBOX", f"({many})")[0], "OK")
        kind, (text,) = simple(client, "SETMETADATA", "INBOX", '(/shared/more "x")')
        self.assertEqual((kind, text[:19]), ("NO", b"[METADATA TOOMANY] "))
        self.assertEqual(simple(client, "SETMETADATA", "INBOX", '(/shared/n0 NIL /shared/more "x")')[0], "OK")
        client.logout()

    def test_an_export_has_them(self):
        client = self.server.imap("alice")
        client.create("Work")
        self.assertEqual(simple(client, "SETMETADATA", "Work", '(/shared/comment "x")')[0], "OK")
        self.assertEqual(simple(client, "SETMETADATA", '""', '(/shared/comment "y")')[0], "OK")
        client.logout()
        out = self.server.root / "out"
        self.server.run("export", "maildir", str(out), "--user", "alice@example.org")
        self.assertEqual((out / ".Work" / "posthorn-annotations").read_text(), "/shared/comment\tx\n")
        self.assertEqual((out / "posthorn-account").read_text(), "/shared/comment\ty\n")


if __name__ == "__main__":
    unittest.main()
