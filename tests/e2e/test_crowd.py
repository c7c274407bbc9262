"""Very many connections that say nothing, from the networks of one customer of a provider: whoever else comes is greeted at
once, on every service, also from among them. In a network of this test's own, whose addresses lie on its loopback interface.
"""

import contextlib
import ctypes
import os
import pathlib
import re
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import FULL, Server, wait_until

SERVICES = ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "http", "https")
TLS = ("submissions", "imaps", "pop3s", "https")
CROWDS = {"the /64s of a /56": [f"2001:db8:0:{i:x}::1" for i in range(256)],
          "the addresses of a /24": [f"198.51.100.{i}" for i in range(1, 253)]}
STRANGERS = ("203.0.113.1", "2001:db8:ffff::1")
# With bounds that far below the defaults the small run reaches them all the same.
SIZE, SETTINGS = (10_000, {}) if FULL else (1_500, {
    "limits.connections_max": "1000", "limits.connections_per_service_max": "800", "limits.connections_per_ipv6_56_max": "100",
    "limits.connections_per_ipv4_24_max": "100"})
NEW_NETWORK = 0x40000000  # CLONE_NEWNET


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@unittest.skipUnless(os.geteuid() == 0, "only root makes a network of its own")
class Crowd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        cls.addClassCleanup(os.close, home)
        if libc.unshare(NEW_NETWORK) != 0:
            raise unittest.SkipTest("no network of its own: " + os.strerror(ctypes.get_errno()))
        cls.addClassCleanup(libc.setns, home, NEW_NETWORK)
        everybody = [*STRANGERS, *(address for crowd in CROWDS.values() for address in crowd)]
        lines = ["link set lo up"] + [f"addr add {a}/128 dev lo nodad" if ":" in a else f"addr add {a}/32 dev lo" for a in everybody]
        subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, SIZE + 2000), hard))
        cls.addClassCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def setUp(self):
        self.server = Server(settings=SETTINGS)
        for service in SERVICES:
            port = self.server.port(service)
            self.server.set(f"listen.{service}", f'["0.0.0.0:{port}", "[::]:{port}"]')
        self.enterContext(self.server)

    def hold(self, service, crowd, count):
        held = self.enterContext(contextlib.ExitStack())
        port = self.server.port(service)
        for number in range(count):
            source = crowd[number % len(crowd)]
            one = held.enter_context(socket.socket(family(source), socket.SOCK_STREAM))
            one.settimeout(10)
            one.bind((source, 0))
            one.connect(("::1" if ":" in source else "127.0.0.1", port))
        time.sleep(0.6)  # who has only just come is not called silent

    def greet(self, service, source):
        """The seconds until somebody new is greeted."""
        begin = time.monotonic()
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.socket(family(source), socket.SOCK_STREAM))
            plain.settimeout(10)
            plain.bind((source, 0))
            plain.connect(("::1" if ":" in source else "127.0.0.1", self.server.port(service)))
            wire = plain
            if service in TLS:
                context = ssl._create_unverified_context()
                wire = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
            if service.startswith("http"):
                wire.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            said = wire.recv(512)
            self.assertRegex(said, rb"^(220 |\* OK|\+OK|HTTP/1\.[01] [23])", (service, source))
            return time.monotonic() - begin

    def metric(self, limit):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port('http')}/metrics", timeout=30) as answer:
            found = re.search(rf'posthorn_limits_hit_total{{[^}}]*limit="{limit}"[^}}]*}} (\d+)', answer.read().decode())
        return int(found[1]) if found else 0

    def check(self, name):
        crowd, times = CROWDS[name], []
        for service in SERVICES:
            self.hold(service, crowd, SIZE // len(SERVICES) + 1)
        for service in SERVICES:
            for source in (*STRANGERS, crowd[7], "127.0.0.1"):
                times.append(self.greet(service, source))
        print(f"{SIZE} from {name}: greeted within {statistics.median(times) * 1000:.0f} ms, at most {max(times) * 1000:.0f} ms",
              file=sys.stderr)
        self.assertLess(statistics.median(times), 0.5)  # not the time itself, which the machine makes: it waits for nobody
        wait_until(lambda: self.metric("connections_network") + self.metric("silent") > 0)

    def test_from_the_networks_of_one_customer(self):
        self.check("the /64s of a /56")

    def test_from_the_addresses_of_one_network(self):
        self.check("the addresses of a /24")

    def test_exempt_ones_too_give_way_when_all_places_are_taken(self):
        # Loopback knows no bound by address; the one on all of them holds, and who is silent longest goes.
        for service in ("imaps", "smtp", "pop3"):
            self.hold(service, ["127.0.0.1"], int(SETTINGS.get("limits.connections_max", 10_000)) // 3 + 40)
        for service in SERVICES:
            self.greet(service, STRANGERS[0])
            self.greet(service, "127.0.0.1")
        wait_until(lambda: self.metric("silent") > 0)


class FirstCommand(unittest.TestCase):
    def test_who_says_nothing_is_shown_out(self):
        with Server(settings={"limits.first_command_timeout": '"1s"'}) as server:
            for service, words in (("smtp", b"421 4.4.2"), ("submission", b"421 4.4.2"), ("imap", b"* BYE"), ("pop3", b"+OK")):  # RFC 1939 section 3: POP3 has no word for it
                with socket.create_connection(("127.0.0.1", server.port(service)), 20) as silent:
                    silent.settimeout(20)
                    said = b""
                    while piece := silent.recv(512):
                        said += piece
                    self.assertIn(words, said, service)
                # Who has said something has the time he always had.
                with socket.create_connection(("127.0.0.1", server.port(service)), 20) as slow, slow.makefile("rb") as lines:
                    lines.readline()
                    slow.sendall(b"a NOOP\r\n" if service == "imap" else b"NOOP\r\n")
                    lines.readline()
                    time.sleep(1.5)
                    slow.sendall(b"a NOOP\r\n" if service == "imap" else b"NOOP\r\n")
                    self.assertTrue(lines.readline(), service)
            wait_until(lambda: 'limit="first_command"' in urllib.request.urlopen(
                f"http://127.0.0.1:{server.port('http')}/metrics", timeout=30).read().decode())


if __name__ == "__main__":
    unittest.main()
