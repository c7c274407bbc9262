"""Who sent a mail is proved, never asserted: each role is taken over in turn, as far as its account and its sockets go, and says that
it is alice. What comes of that is a stranger's mail: not signed, not relayed, and not in her name.

The test speaks to the inner sockets under the role's own account; where it is not root all roles have one, and it is the test's.
"""

import contextlib
import os
import pathlib
import pwd
import re
import smtplib
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import Server, Smarthost, message, wait_until

ACCOUNTS = {"edge": "posthorn-edge", "lookup": "posthorn-lookup", "queue": "posthorn-queue", "store": "vmail", "web": "posthorn-web"}
ALICE = "alice@example.org"


@contextlib.contextmanager
def taken_over(role):
    """What is connected inside is connected by the role's account."""
    if os.geteuid() != 0:
        yield
        return
    account = pwd.getpwnam(ACCOUNTS[role])
    groups = os.getgroups()
    os.setgroups(os.getgrouplist(account.pw_name, account.pw_gid))
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


class Inner:
    """A connection to a socket between the roles."""

    def __init__(self, server, role, name):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        try:
            with taken_over(role):
                self.socket.connect(str(server.root / "var/run" / name))
        except OSError:
            self.socket.close()
            raise
        self.lines = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()

    def line(self):
        return self.lines.readline().decode().rstrip("\r\n")

    def say(self, text):
        self.socket.sendall(text.encode())

    # LMTP

    def reply(self):
        while (line := self.line())[3:4] == "-":
            pass
        return line

    def ask(self, text):
        self.say(text + "\r\n")
        return self.reply()

    # The line protocol

    def question(self, verb, **fields):
        self.say("\t".join(["1", verb, *(f"{name}={value}" for name, value in fields.items())]) + "\n")
        tag, answer, *given = self.line().split("\t")
        return answer, dict(field.split("=", 1) for field in given)


class TakenOver(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.relay = cls.enterClassContext(Smarthost(require_auth=False, script={"RCPT TO:<gone@": "550 5.1.1 nobody of that name"}))
        cls.server = Server(users=("alice", "bob"), settings=cls.relay.settings(**{
            "srs.domain": '"example.org"', "queue.retry_first": '"1s"', "submission.messages_per_hour_max": "40"}))
        cls.server.run("dkim", "key", "example.org")
        cls.server.append_map("aliases", "out@example.org friend@far.test\nshared@example.org alice@example.org\n")
        cls.server.start()
        cls.addClassCleanup(cls.server.close)

    def hand_in(self, role, door, marker, to, sender=ALICE, token="", session="S2", named="", client="192.0.2.9", protocol="ESMTPSA"):
        """The reply to the message, or the first refusal on the way."""
        with Inner(self.server, role, door) as lmtp:
            lmtp.reply()
            lmtp.ask(f"LHLO {role}")
            self.assertRegex(lmtp.ask(f"XFORWARD NAME=x ADDR={client} PROTO={protocol} HELO=x IDENT={session}"), "^250")
            reply = lmtp.ask(f"MAIL FROM:<{sender}> AUTH={ALICE}" + (f" XTOKEN={token}" if token else ""))
            for address in to if isinstance(to, (list, tuple)) else [to]:
                if reply.startswith("250"):
                    reply = lmtp.ask(f"RCPT TO:<{address}>" + (f" XNAMED={named}" if named else ""))
            if not reply.startswith("250") or not (reply := lmtp.ask("DATA")).startswith("354"):
                return reply
            lmtp.say(message("x", f"marker {marker}\r\n", sender=sender).decode() + ".\r\n")
            return lmtp.reply()

    def relayed(self, marker):
        return [entry for entry in self.relay.received if f"marker {marker}".encode() in entry[2]]

    def log_of(self, reply):
        """All that the log says of the message by the time it has gone."""
        queue_id = reply.split("QUEUE=")[1]
        wait_until(lambda: re.search(rf"event=queue\.removed q={queue_id}\b|event=queue\.removed .*q={queue_id}\b", self.server.log()))
        return "\n".join(line for line in self.server.log().splitlines() if f"q={queue_id}" in line)

    def proof(self, session, user="alice"):
        """A login on submission, as edge asks for it; what it gets for its first message."""
        with Inner(self.server, "edge", "lookup-edge.sock") as lookup:
            answer, given = lookup.question("authenticate", service="submission", mechanism="PLAIN", user=f"{user}@example.org", authorization="",
                                            password=self.server.password(f"{user}@example.org"), address="127.0.0.1", session=session, tls="1")
            self.assertEqual(answer, "ok", given)
            return given["token"]

    def permit(self, proof, session, recipients=1, **more):
        with Inner(self.server, "edge", "lookup-edge.sock") as lookup:
            return lookup.question("limit", **{"account": "", "proof": proof, "service": "submission", "session": session, "recipients": recipients, **more})

    # edge

    def test_edge_says_that_it_is_alice(self):
        reply = self.hand_in("edge", "queue-edge.lmtp.sock", "plain claim", "friend@far.test")
        self.assertRegex(reply, "^250")  # taken, as a stranger's
        log = self.log_of(reply)
        self.assertIn("Relay access denied", log)
        # A bounce says so to whom it names, and carries nothing of its text.
        told = self.server.wait_for("Relay access denied", user="alice")
        self.assertNotIn(b"marker plain claim", told)
        self.assertEqual(self.relayed("plain claim"), [])

    def test_edge_names_an_alias_that_does_not_lead_there(self):
        for named in ("out@example.org", "alice@example.org", "nobody@example.org", "victim@far.test", "postmaster"):
            reply = self.hand_in("edge", "queue-edge.lmtp.sock", f"named {named}", "victim@far.test", named=named)
            self.assertIn("Relay access denied", self.log_of(reply), named)
            self.assertEqual(self.relayed(f"named {named}"), [])

    def test_edge_may_bring_what_a_stranger_may(self):
        """To our own people, and where an alias of ours leads: unsigned, with a sender of ours, and filtered."""
        self.assertRegex(self.hand_in("edge", "queue-edge.lmtp.sock", "to bob", "bob@example.org"), "^250")
        self.server.wait_for("marker to bob")
        self.assertRegex(self.hand_in("edge", "queue-edge.lmtp.sock", "by alias", "friend@far.test", sender="carol@away.test", named="out@example.org"),
                         "^250")
        sender, _, text, _, _ = self.relay.wait_for("marker by alias")
        self.assertTrue(sender.startswith("SRS0="), sender)
        self.assertNotIn(b"DKIM-Signature", text)
        # From alice it says, and whose signature it would get is hers.
        self.assertRegex(self.hand_in("edge", "queue-edge.lmtp.sock", "as alice by alias", "friend@far.test", named="out@example.org"), "^250")
        self.assertNotIn(b"DKIM-Signature", self.relay.wait_for("marker as alice by alias")[2])

    def test_edge_makes_up_a_token(self):
        for token in ("0123456789abcdef" * 2, "x", ALICE):
            self.assertRegex(self.hand_in("edge", "queue-edge.lmtp.sock", "made up", "friend@far.test", token=token), "^451")
        self.assertIn("event=queue.claim.refused", self.server.log())
        self.assertEqual(self.relayed("made up"), [])

    def test_edge_uses_a_token_for_more_than_it_was_given_for(self):
        """It has a login of alice's, as she sends over it; what she did not send it may not send either."""
        proof = self.proof("S7")
        token = lambda recipients=1: self.permit(proof, "S7", recipients)[1]["token"]
        send = lambda marker, to="friend@far.test", **more: self.hand_in("edge", "queue-edge.lmtp.sock", marker, to, **{"session": "S7", **more})
        self.assertRegex(send("too many", ["a@far.test", "b@far.test"], token=token()), "^451")
        self.assertRegex(send("as bob", sender="bob@example.org", token=token()), "^451")
        self.assertRegex(send("other session", session="S8", token=token()), "^451")
        once = token(2)
        self.assertRegex(send("hers", ["a@far.test", "b@far.test"], token=once), "^250")
        self.assertRegex(send("again", token=once), "^451")
        self.assertRegex(send("shared", sender="shared@example.org", token=token()), "^250")
        text = self.relay.wait_for("marker hers")[2]
        self.assertIn(b"DKIM-Signature", text)
        self.relay.wait_for("marker shared")
        for marker in ("too many", "as bob", "other session", "again"):
            self.assertEqual(self.relayed(marker), [], marker)
        # A token for a message opens no mailbox, nor is it worth anything without its proof.
        with Inner(self.server, "store", "lookup-store.sock") as lookup:
            for service in ("mail", "imap", "submission"):
                self.assertEqual(lookup.question("redeem", token=token(), service=service, session="S7")[0], "refused", service)

    def test_edge_asks_for_tokens_without_a_login(self):
        proof = self.proof("S9")
        self.assertEqual(self.permit(proof, "S9")[0], "ok")
        for forged, session, more in ((proof, "S10", {}), ("", "S9", {"account": ALICE}), (proof[:-len(ALICE)] + "bob@example.org", "S9", {}),
                                      (proof, "S9", {"service": "smtp"}), ("0" * 64 + proof[64:], "S9", {})):
            self.assertEqual(self.permit(forged, session, **more)[0], "unproved", (forged, session, more))
        with Inner(self.server, "edge", "lookup-edge.sock") as lookup:  # what the queue alone asks
            self.assertEqual(lookup.question("redeem-mail", token="x", session="S9", sender=ALICE, recipients=1)[0], "temporary")

    def test_the_bounds_are_lookups(self):
        """An edge that was taken over cannot send more than the account may, for want of tokens."""
        proof = self.proof("S11", "bob")
        answers = [self.permit(proof, "S11")[0] for _ in range(42)]
        self.assertEqual((answers.count("ok"), answers.count("refused")), (40, 2))

    def test_edge_says_that_a_program_or_we_sent_it(self):
        """Programs are nobody's client but the kernel's, and a notice is made in the queue alone."""
        for client, protocol, sender in (("local", "ESMTP", "root@example.org"), ("local", "LMTP", ""), ("127.0.0.1", "ESMTPA", ALICE)):
            reply = self.hand_in("edge", "queue-edge.lmtp.sock", f"as {client} {protocol}", "friend@far.test", client=client, protocol=protocol, sender=sender)
            self.assertIn("Relay access denied", self.log_of(reply))
            self.assertEqual(self.relayed(f"as {client} {protocol}"), [])
        self.assertNotIn("submit.sock", (pathlib.Path("/proc") / str(self.server.roles().get("edge", "self")) / "cmdline").read_text())

    # store

    def test_store_says_that_it_is_alice(self):
        """What it sends on goes on, as Sieve may: unsigned, from an address of ours, whatever it says."""
        self.assertRegex(self.hand_in("store", "queue-store.lmtp.sock", "store foreign", "friend@far.test", sender="carol@away.test",
                                      named="bob@example.org"), "^250")
        self.assertNotIn(b"DKIM-Signature", self.relay.wait_for("marker store foreign")[2])
        self.assertRegex(self.hand_in("store", "queue-store.lmtp.sock", "store alice", "friend@far.test"), "^250")
        self.assertNotIn(b"DKIM-Signature", self.relay.wait_for("marker store alice")[2])
        for line in self.server.run("queue", "list", "--json").stdout.splitlines():
            self.assertNotIn("store alice", line)

    def test_store_uses_a_token(self):
        proof = self.proof("S12")
        token = self.permit(proof, "S12")[1]["token"]
        self.assertRegex(self.hand_in("store", "queue-store.lmtp.sock", "store token", "friend@far.test", token=token, session="S12"), "^250")
        self.assertNotIn(b"DKIM-Signature", self.relay.wait_for("marker store token")[2])

    def test_store_skips_no_rewriting(self):
        with Inner(self.server, "store", "queue-store.lmtp.sock") as lmtp:
            lmtp.reply()
            lmtp.ask("LHLO store")
            lmtp.ask("XFORWARD NAME=x ADDR=192.0.2.9 PROTO=ESMTPSA HELO=x IDENT=S3")
            lmtp.ask(f"MAIL FROM:<carol@away.test> AUTH={ALICE}")
            lmtp.ask("RCPT TO:<friend@far.test> ORCPT=rfc822;friend@far.test")
            lmtp.ask("DATA")
            lmtp.say(message("x", "marker srs\r\n").decode() + ".\r\n")
            self.assertRegex(lmtp.reply(), "^250")
        self.assertTrue(self.relay.wait_for("marker srs")[0].startswith("SRS0="))

    # the other ways in

    @unittest.skipUnless(os.geteuid() == 0, "roles have accounts of their own only under root")
    def test_no_role_has_the_sockets_of_another(self):
        doors = {"edge": {"queue-edge.lmtp.sock", "lookup-edge.sock"}, "store": {"queue-store.lmtp.sock", "lookup-store.sock"},
                 "queue": {"lookup-queue.sock"}, "lookup": set(), "web": set()}
        for role, own in doors.items():
            for name in set().union(*doors.values()):
                if name in own or name.startswith(("lookup-", "queue-")) and name.split("-")[0] == role:
                    continue
                with self.assertRaises(PermissionError, msg=f"{role} {name}"):
                    Inner(self.server, role, name)

    def test_users_and_programs_are_as_ever(self):
        refused = self.server.log().count("claim.refused")
        self.server.submit("alice", message("x", "marker user\r\n"), ["friend@far.test"])
        self.assertIn(b"DKIM-Signature", self.relay.wait_for("marker user")[2])
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30) as client:
            client.login(ALICE, self.server.password(ALICE))
            for n in range(3):  # one session, a token each
                client.sendmail(ALICE, ["friend@far.test", "bob@example.org"], message("x", f"marker session {n}\r\n"))
        for n in range(3):
            self.assertIn(b"DKIM-Signature", self.relay.wait_for(f"marker session {n}")[2])
        self.assertEqual(self.server.log().count("claim.refused"), refused)


class ANetwork(unittest.TestCase):
    def test_only_edge_knows_the_address(self):
        """Where smtp.relay_from is set, the queue has edge's word for who is in it, and nobody else's."""
        with Smarthost(require_auth=False) as relay:
            server = Server(users=("alice", "bob"), settings=relay.settings(**{"smtp.relay_from": '["127.0.0.2/32"]'}))
            self.addCleanup(server.close)
            server.run("dkim", "key", "example.org")
            server.start()
            self.server, self.relay = server, relay
            hand_in, relayed, log_of = TakenOver.hand_in, TakenOver.relayed, TakenOver.log_of
            self.assertRegex(hand_in(self, "edge", "queue-edge.lmtp.sock", "inside", "friend@far.test", client="127.0.0.2"), "^250")
            relay.wait_for("marker inside")
            self.assertIn("Relay access denied", log_of(self, hand_in(self, "edge", "queue-edge.lmtp.sock", "outside", "friend@far.test", client="127.0.0.3")))
            self.assertEqual(relayed(self, "outside"), [])
            self.assertRegex(hand_in(self, "store", "queue-store.lmtp.sock", "by store", "friend@far.test", client="127.0.0.2"), "^250")
            self.assertNotIn(b"DKIM-Signature", relay.wait_for("marker by store")[2])


if __name__ == "__main__":
    unittest.main()
