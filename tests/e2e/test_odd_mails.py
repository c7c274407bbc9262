"""The odd mails of tests/corpus: IMAP says of each what Dovecot says of it, and Sieve sees the same fields."""

import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import ROOT, Server, Wire
from test_corpus import Balanced, to_wire

CORPUS = ROOT / "tests" / "corpus"
ITEMS = b"(ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[HEADER.FIELDS (SUBJECT FROM CONTENT-TYPE)] " \
        b"BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT FROM TO DATE MESSAGE-ID)])"
SEARCHES = ("SUBJECT one", "SUBJECT zero", "FROM ann@a.test", "FROM a@b.test", "FROM two@c.test", "TO to.man@x.test", "TO m@n.test", "CC four@c.test",
            "BODY body", "BODY word", "HEADER X-None x", "SENTON 1-Feb-2021")


def mails():
    return sorted(CORPUS.glob("*.eml"))


def dialog():
    """All questions of one session behind a login, pipelined."""
    out = b""
    for i, path in enumerate(mails()):
        raw = to_wire(path.read_bytes())
        out += b"a%d APPEND INBOX {%d+}\r\n" % (i, len(raw)) + raw + b"\r\n"
    out += b"b SELECT INBOX\r\n"
    # One after the other: Dovecot answers neighbours together.
    for i, _ in enumerate(mails()):
        out += b"n%d NOOP\r\nf%d FETCH %d " % (i, i, i + 1) + ITEMS + b"\r\n"
    for i, search in enumerate(SEARCHES):
        out += b"m%d NOOP\r\ns%d SEARCH %s\r\n" % (i, i, search.encode())
    return out + b"z LOGOUT\r\n"


def normal(value, of_structure=False):
    """Atoms of a structure in one case; what only says the default of a text's charset says nothing."""
    if isinstance(value, list):
        items = [normal(item, of_structure) for item in value]
        if of_structure and len(items) > 2 and items[0] == "TEXT" and items[2] == ["CHARSET", "US-ASCII"]:
            items[2] = None
        return items
    if isinstance(value, bytes):
        text = value.decode("latin-1")
        return text.upper() if of_structure else text
    return value


def answers_of(output):
    """What the server said to dialog(): by the mail's name."""
    answers = {}
    names = [path.stem for path in mails()]
    at = 0
    searches = []
    while at < len(output):
        end = output.index(b"\r\n", at)
        line = output[at:end]
        fetch = re.match(rb"\* (\d+) FETCH ", line)
        if not fetch:
            if line.startswith(b"* SEARCH"):
                searches.append([int(n) for n in line.split()[2:]])
            at = end + 2
            continue
        reader = Balanced(output)
        at += fetch.end()
        answer = {}
        reader.at = at + 1
        while output[reader.at:reader.at + 1] != b")":
            item = re.compile(rb" ?(BODY\[[^\]]*\]|[A-Z]+) ").match(output, reader.at)
            assert item, output[reader.at:reader.at + 80]
            reader.at = item.end()
            name = item[1].decode()
            answer[name] = normal(reader.value(), name == "BODYSTRUCTURE")
            if name == "ENVELOPE":  # folding may leave one blank or all
                answer[name][1] = answer[name][1] and " ".join(answer[name][1].split())
        at = output.index(b"\r\n", reader.at) + 2
        answers[names[int(fetch[1]) - 1]] = answer
    assert len(searches) == len(SEARCHES), (len(searches), output[-2000:])
    for i, name in enumerate(names):
        answers[name]["found by"] = [search for search, found in zip(SEARCHES, searches) if i + 1 in found]
    return answers


class OddMails(unittest.TestCase):
    maxDiff = None

    def test_as_dovecot_says(self):
        expected = json.loads((CORPUS / "answers.json").read_text())
        self.assertEqual(sorted(expected), [path.stem for path in mails()])
        with Server(settings={"log.level": '"warning"', "auth.allow_plaintext": "true"}) as server:
            with Wire(server.port("imap")) as wire:
                wire.line()
                wire.say(f"l LOGIN alice@example.org {server.password('alice@example.org')}\r\n".encode())
                self.assertTrue(wire.line().startswith("l OK "))
                wire.say(dialog())
                output = b""
                while line := wire.lines.readline():
                    output += line
                    if line.startswith(b"z OK"):
                        break
        answers = answers_of(output)
        for name, answer in sorted(answers.items()):
            with self.subTest(name):
                self.assertEqual(answer, expected[name])


if __name__ == "__main__":
    unittest.main()
