"""The fence around each role: what a role that was taken over cannot do.

`posthorn confined` becomes a role as `posthorn serve` does and tries single things. A path it may not open is world-readable
and a path it may open has the same mode, so that it is the fence that is seen and not the account; the running server's
processes are looked at through /proc.
"""

import contextlib
import grp
import os
import pathlib
import re
import signal
import smtplib
import socket
import sys
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, Dns, Server, message, wait_until

ROLES = ("edge", "lookup", "queue", "store", "web", "trail")
SANITIZED = b"__asan_init" in pathlib.Path(POSTHORN).read_bytes()


def own_address():
    """An address of this machine that is not loopback's; None: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


@unittest.skipUnless(own_address(), "a client that is not loopback is needed")
class ClientNames(unittest.TestCase):
    """Edge may not ask DNS: the names of its clients are asked for by the role that may."""

    def received(self, marker, server):
        with smtplib.SMTP("127.0.0.1", server.port("smtp"), "client.test", 30, (own_address(), 0)) as client:
            client.sendmail("friend@elsewhere.test", ["bob@example.org"], message("Named", f"{marker}\r\n"))
        raw = server.wait_for(marker)
        return re.search(rb"(?m)^Received: from client\.test \((\S+) \[", raw)[1].decode()

    def test_in_received(self):
        address = own_address()
        reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
        with Dns() as dns:
            server = Server(settings={"relay.resolver": f'"{dns.address}"'})
            with server:
                self.assertRegex(server.log(), "role=edge event=role.(fenced|unfenced) .*filter=seccomp")
                self.assertIn("socket:inet EPERM", server.run("confined", "--role=edge", "socket:inet").stdout)
                named = {(reverse, "PTR"): ["mail.client.test"], ("mail.client.test", "A"): [address]}
                rows = {
                    "confirmed": (named, "mail.client.test"),
                    "no name": ({}, "unknown"),
                    "another's name": ({**named, ("mail.client.test", "A"): ["192.0.2.77"]}, "unknown"),
                    "the second name": ({(reverse, "PTR"): ["other.test", "mail.client.test"], ("mail.client.test", "A"): [address]}, "mail.client.test"),
                    "a name that is none": ({(reverse, "PTR"): ["a b(c)"], ("a b(c)", "A"): [address]}, "unknown"),
                    "a failing reverse zone": ({(reverse, "PTR"): "SERVFAIL"}, "unknown"),
                    "a failing zone": ({**named, ("mail.client.test", "A"): "SERVFAIL", ("mail.client.test", "AAAA"): "SERVFAIL"}, "unknown"),
                    "no answer": ({(reverse, "PTR"): "DROP"}, "unknown"),
                }
                for name, (records, expected) in rows.items():
                    with self.subTest(name):
                        dns.records = records
                        self.assertEqual(self.received(f"marker of {name}", server), expected)
                self.assertIn((reverse, "PTR"), dns.asked)
                server.set("smtp.client_names", "false")
                self.assertEqual(server.stop(), 0)
                asked = len(dns.asked)
                server.start()
                self.assertEqual(self.received("marker unasked", server), "unknown")
                self.assertEqual(len(dns.asked), asked)


class Fence(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.secret = cls.server.folder / "secret"
        cls.secret.write_text("not for roles\n")
        cls.secret.chmod(0o644)
        for path in ("maps/domains", "sieve/default.sieve", "tls/cert.pem"):
            assert (cls.server.root / path).stat().st_mode & 0o004, path
        cls.landlock = int(cls.outcomes(cls, "edge")["landlock"])

    def needs_landlock(self):
        if self.landlock < 2:
            self.skipTest("this kernel has no Landlock")

    def outcomes(self, role, *attempts):
        text = self.server.run("confined", f"--role={role}", *attempts).stdout
        return dict(line.rsplit(" ", 1) for line in text.splitlines())

    def test_every_role_gets_what_the_kernel_has(self):
        for role in ROLES:
            got = self.outcomes(role)
            self.assertEqual(int(got["landlock"]), self.landlock, role)
            self.assertEqual(got["filter"], "seccomp", role)

    def test_paths(self):
        self.needs_landlock()
        root = self.server.root
        cert, domains, script = (f"read:{root}/{path}" for path in ("tls/cert.pem", "maps/domains", "sieve/default.sieve"))
        users, spool, mail = f"read:{root}/conf/users", f"list:{root}/var/spool", f"list:{root}/var/mail"
        in_spool, in_mail = f"write:{root}/var/spool/probe", f"write:{root}/var/mail/probe"
        everything = [cert, domains, script, users, spool, mail, in_spool, in_mail]
        names = "read:/etc/passwd"  # who it is that writes by submit.sock
        everything.append(names)
        may = {"edge": {cert}, "lookup": {domains, users}, "queue": {spool, in_spool, names}, "store": {mail, in_mail, script},
               "web": {cert}, "trail": set()}
        for role in ROLES:
            got = self.outcomes(role, *everything, f"read:{self.secret}", "list:/", "list:/tmp",
                                "write:/tmp/probe", "read:/dev/null", "list:/usr/share")
            for what in everything:
                self.assertEqual(got[what], "ok" if what in may[role] else "EACCES", (role, what))
            for what in (f"read:{self.secret}", "list:/", "list:/tmp", "write:/tmp/probe"):
                self.assertEqual(got[what], "EACCES", (role, what))
            self.assertEqual((got["read:/dev/null"], got["list:/usr/share"]), ("ok", "ok"), role)

    @unittest.skipUnless(os.geteuid() == 0, "roles have accounts of their own only under root")
    def test_the_key_is_for_who_shows_the_certificate(self):
        key = f"read:{self.server.root}/tls/key.pem"
        self.assertEqual((self.server.root / "tls/key.pem").stat().st_gid, grp.getgrnam("posthorn-tls").gr_gid,
                         "scripts/setup --accounts makes the group")
        conf = self.server.conf.read_text()
        self.addCleanup(self.server.conf.write_text, conf)
        for https, readers in (('["127.0.0.1:1"]', ("edge", "web")), ("[]", ("edge",))):
            self.server.set("listen.https", https)
            for role in ROLES:
                self.assertEqual(self.outcomes(role, key)[key], "ok" if role in readers else "EACCES", (role, https))

    @unittest.skipUnless(os.geteuid() == 0, "roles have accounts of their own only under root")
    def test_the_key_that_signs_is_for_who_sends(self):
        self.server.run("dkim", "key", "example.org", "--ed25519")
        key = f"read:{self.server.root}/dkim/example.org/mail-ed25519.pem"
        for role in ROLES:
            self.assertEqual(self.outcomes(role, key)[key], "ok" if role == "queue" else "EACCES", role)

    def test_a_certificate_behind_links_is_open_with_its_folder(self):
        self.needs_landlock()
        live, archive = self.server.folder / "live", self.server.folder / "archive"
        for folder in (live, archive):
            folder.mkdir()
        (archive / "cert1.pem").write_text("one\n")
        (live / "cert.pem").symlink_to("../archive/cert1.pem")
        conf = self.server.conf.read_text()
        self.addCleanup(self.server.conf.write_text, conf)
        self.server.set("paths.certificate", f'"{live}/cert.pem"')
        (archive / "cert2.pem").write_text("two, after the renewal\n")
        got = self.outcomes("edge", f"read:{live}/cert.pem", f"read:{archive}/cert2.pem", f"read:{self.secret}")
        self.assertEqual(list(got.values())[2:], ["ok", "ok", "EACCES"])

    def test_no_program_is_started(self):
        if SANITIZED:  # its reports start the symbolizer: there the filter lets execve through, and only Landlock holds
            self.needs_landlock()
        # Either of the two fences refuses it first.
        for role in ROLES:
            got = self.outcomes(role, "exec:/bin/true", "exec:/bin/sh", f"exec:{POSTHORN}")
            for what in ("exec:/bin/true", "exec:/bin/sh", f"exec:{POSTHORN}"):
                self.assertIn(got[what], ("EACCES", "EPERM"), (role, what))

    def test_system_calls(self):
        refused = ["bpf", "io_uring", "keyctl", "mount", "perf", "unshare", "userfaultfd"] + ([] if SANITIZED else ["ptrace"])
        for role in ROLES:
            got = self.outcomes(role, *(f"call:{name}" for name in refused), "call:getpid")
            for name in refused:
                self.assertEqual(got[f"call:{name}"], "EPERM", (role, name))
            self.assertEqual(got["call:getpid"], "ok", role)

    def test_only_the_queue_may_reach_out(self):
        for role in ROLES:
            got = self.outcomes(role, "socket:unix", "socket:inet", "socket:inet6", "socket:packet")
            self.assertEqual(got["socket:unix"], "EPERM" if role in ("edge", "web", "trail") else "ok", role)
            self.assertEqual(got["socket:packet"], "EPERM", role)
            for family in ("socket:inet", "socket:inet6"):
                self.assertEqual(got[family], "ok" if role == "queue" else "EPERM", (role, family))

    def test_edge_and_web_connect_nothing(self):
        # A listening socket that is shut down is an ordinary one, and MSG_FASTOPEN connects without connect(): whatever
        # Landlock knows of the network, the filter refuses each way. Where the network is allowed each of them is one.
        ways = ("connect", "late-connect", "sendto", "sendto-and-more", "sendmsg", "sendmmsg", "listen")
        for way in ways:
            for role in ("edge", "web"):
                self.assertEqual(self.outcomes(role, f"reach:{way}")[f"reach:{way}"], "EPERM", (role, way))
            self.assertEqual(self.outcomes("queue", f"reach:{way}")[f"reach:{way}"], "ok", way)
            if way.startswith("send"):
                for role in ("lookup", "store"):
                    self.assertEqual(self.outcomes(role, f"reach:{way}")[f"reach:{way}"], "EPERM", (role, way))
        self.assertEqual(self.outcomes("edge", "reach:bind")["reach:bind"], "EPERM")

    def test_an_unknown_role_is_refused(self):
        self.assertEqual(self.server.run("confined", "--role=root", check=False).returncode, 1)


class Running(unittest.TestCase):
    def test_each_role_of_the_server_is_fenced_in_and_works(self):
        with Server() as server:
            found = {}
            for role, pid in server.roles().items():
                status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                              if ":\t" in line)
                found[role] = (status["NoNewPrivs"], status["Seccomp"])
                # Every thread of it, not only the first.
                for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                    self.assertIn("Seccomp:\t2", (task / "status").read_text(), role)
            self.assertEqual(found, {role: ("1", "2") for role in ROLES})
            self.assertEqual(server.log().count("event=role.fenced") + server.log().count("event=role.unfenced"), len(ROLES))
            server.send(message("Fenced", "marker fenced\r\n"))
            server.wait_for("marker fenced")
            self.assertNotIn("Operation not permitted", server.log())
            self.assertNotIn("Permission denied", server.log())

    def test_what_edge_cannot_connect_is_connected_for_it(self):
        with Server() as server:
            for round in range(2):
                edge = server.roles()["edge"]
                (dialer,) = pathlib.Path(f"/proc/{edge}/task/{edge}/children").read_text().split()
                self.assertEqual(pathlib.Path(f"/proc/{dialer}/comm").read_text(), "posthorn-dialer\n")
                self.assertIn("Seccomp:\t2", pathlib.Path(f"/proc/{dialer}/status").read_text())
                # The three it began with, its channel, and nothing that listens.
                links = {os.readlink(entry) for entry in pathlib.Path(f"/proc/{dialer}/fd").iterdir()}
                self.assertLessEqual(len(links), 4)
                listening = {line.split()[9] for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
                             if line.split()[3] == "0A"}
                self.assertFalse({f"socket:[{inode}]" for inode in listening} & links)
                server.send(message(f"Round {round}", f"marker round {round}\r\n"))
                server.wait_for(f"marker round {round}")
                self.assertEqual(urllib.request.urlopen(f"http://127.0.0.1:{server.port('http')}/health", timeout=30).status, 200)
                for role in ("store", "lookup", "queue"):  # what is started anew is connected anew
                    before = server.roles()[role]
                    os.kill(before, signal.SIGKILL)
                    wait_until(lambda: server.roles().get(role) not in (None, before))
                wait_until(lambda: server.log().count("event=role.started") >= len(ROLES) + 3 * (round + 1))
            # Without its dialer the role begins again.
            os.kill(int(dialer), signal.SIGKILL)
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.send(message("Lost", "marker lost\r\n"))
            wait_until(lambda: server.roles().get("edge") not in (None, edge))
            wait_until(lambda: server.log().count("event=role.started") >= len(ROLES) + 7)
            server.send(message("After", "marker after\r\n"))
            server.wait_for("marker after")

    def test_one_process_is_not(self):
        with Server(one_process=True) as server:
            self.assertIn("Seccomp:\t0", pathlib.Path(f"/proc/{server.process.pid}/status").read_text())
            self.assertNotIn("role.fenced", server.log())


if __name__ == "__main__":
    unittest.main()
