"""What the units of deploy/systemd allow is enough: the server runs under just that, and mail goes its way.

No systemd runs here. What it would set up is read from the unit and set up by hand: account, groups, capabilities by
setpriv; the filters of system calls and address families by libseccomp.
"""

import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import webmail as roundcube
from support import POSTHORN, ROOT, Server, message

UNITS = ROOT / "deploy" / "systemd"
SANITIZED = b"__asan_init" in pathlib.Path(POSTHORN).read_bytes()

PYTHON = "/usr/bin/python3"  # Debian's, for which Debian's python3-seccomp is

# Reads the calls and families that are allowed, loads the filter, and becomes the server.
FILTERED = """
import os, sys, seccomp, errno
calls, families, command = sys.argv[1].split(), [int(f) for f in sys.argv[2].split()], sys.argv[3:]
f = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
for call in calls:
    if seccomp.resolve_syscall(seccomp.Arch(), call) >= 0 and call != "socket":
        f.add_rule(seccomp.ALLOW, call)
for family in families:
    f.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, family))
f.load()
os.execv(command[0], command)
"""


class Unit:
    def __init__(self, name):
        self.values = {}
        for line in (UNITS / name).read_text().splitlines():
            if found := re.match(r"(\w+)=(.*)", line):
                self.values.setdefault(found[1], []).append(found[2])

    def get(self, key):
        return self.values[key][-1]

    def calls(self):
        """SystemCallFilter=, its lines applied one after the other as systemd.exec(5) says."""
        allowed = set(expand("@default"))
        for line in self.values["SystemCallFilter"]:
            names = {call for word in line.lstrip("~").split() for call in expand(word)}
            allowed = allowed - names if line.startswith("~") else allowed | names
        return allowed

    def families(self):
        import socket
        return [int(getattr(socket, name)) for name in self.get("RestrictAddressFamilies").split()]


def expand(word):
    if not word.startswith("@"):
        return [word]
    text = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in text.splitlines() if line.startswith("    ") and not line.strip().startswith("#")]
    return [call for inner in words for call in expand(inner)]


def status_of(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


@unittest.skipUnless(os.geteuid() == 0, "accounts are changed by root only")
class UnderTheUnit(unittest.TestCase):
    def setUp(self):
        try:
            pwd.getpwnam("posthorn")
        except KeyError as error:
            self.skipTest(f"{error}: scripts/setup makes it")
        if subprocess.run([PYTHON, "-c", "import seccomp"], capture_output=True).returncode != 0:
            self.skipTest("no python3-seccomp: scripts/setup installs it")
        if not shutil.which("systemd-analyze"):
            self.skipTest("no systemd-analyze")

    def launcher(self, unit, filtered=True):
        capabilities = ",".join("+" + name.removeprefix("CAP_").lower() for name in unit.get("CapabilityBoundingSet").split())
        self.assertEqual(unit.get("AmbientCapabilities"), unit.get("CapabilityBoundingSet"))
        groups = ["--clear-groups"]
        if "SupplementaryGroups" in unit.values:
            groups = ["--groups", unit.get("SupplementaryGroups").replace(" ", ",")]
        command = ["setpriv", "--reuid", unit.get("User"), "--regid", unit.get("Group"),
                   *groups, "--bounding-set", "-all," + capabilities,
                   "--inh-caps", "-all," + capabilities, "--ambient-caps", "-all," + capabilities, "--no-new-privs", "--"]
        if filtered:
            families = " ".join(map(str, unit.families()))
            command += [PYTHON, "-c", FILTERED, " ".join(sorted(unit.calls())), families]
        return command

    def run_under(self, name, filtered):
        unit = Unit(name)
        server = Server()
        self.addCleanup(server.close)
        account = pwd.getpwnam("posthorn")
        os.chown(server.root / "var" / "run", account.pw_uid, account.pw_gid)  # as RuntimeDirectory= makes it
        launcher = self.launcher(unit, filtered)
        # The interpreter that loads the filter needs to be found by the account, and so does the program.
        if filtered:
            command = server.command()
            command[0] = os.path.realpath(command[0])
            server.command = lambda: command
        server.start(launcher)
        roles = server.roles()
        accounts = {"edge": "posthorn-edge", "lookup": "posthorn-lookup", "queue": "posthorn-queue", "store": "vmail"}
        for role, owner in accounts.items():
            now = status_of(roles[role])
            self.assertEqual(now["Uid"].split(), [str(pwd.getpwnam(owner).pw_uid)] * 4, role)
            for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(now[capabilities], 16), 0, (role, capabilities))
            self.assertEqual((now["NoNewPrivs"], now["Seccomp"]), ("1", "2"), role)
        supervisor = status_of(server.process.pid)
        self.assertEqual(set(supervisor["Uid"].split()), {str(account.pw_uid)})
        self.assertEqual(int(supervisor["CapBnd"], 16), int(supervisor["CapEff"], 16))
        self.assertNotIn("event=role.unfenced", server.log())
        server.send(message("Under the unit", "In by SMTP, out by IMAP.\r\n"))
        server.wait_for("Under the unit")
        server.submit("alice", message("From alice", "Submitted.\r\n"), ["bob@example.org"])
        server.wait_for("From alice")
        self.assertEqual(server.run("reload").returncode, 0)
        self.assertEqual(server.stop(), 0)

    # A sanitizer traces its own process, which these filters forbid.
    def test_the_supervised_unit_is_enough(self):
        self.run_under("posthorn.service", filtered=not SANITIZED)

    def test_the_activated_unit_is_enough(self):
        self.run_under("posthorn-activated.service", filtered=not SANITIZED)

    @unittest.skipIf(roundcube.MISSING, "scripts/setup --full installs the webmail")
    def test_the_webmail_unit_is_enough(self):
        server = Server()
        self.addCleanup(server.close)
        server.start()
        with roundcube.Webmail(server, self.launcher(Unit("posthorn-webmail.service"))) as webmail:
            status, page = webmail.get("/")
            self.assertEqual(status, 200, webmail.log())
            self.assertIn("rcmloginuser", page)

    def test_the_sockets_have_names_that_the_server_knows(self):
        services = re.findall(r'^(\w+) = \["', (ROOT / "conf" / "posthorn.toml").read_text(), re.M)
        names = [Unit(path.name).get("FileDescriptorName") for path in sorted(UNITS.glob("*.socket"))]
        self.assertTrue(names)
        self.assertLessEqual(set(names), set(services))
        # One that is on by default and has no socket would have to be bound without the right to.
        for name in ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "managesieve"):
            self.assertIn(name, names)
        required = Unit("posthorn-activated.service").get("Sockets").split()
        self.assertEqual(sorted(required), sorted(f"posthorn-{name}.socket" for name in names))


if __name__ == "__main__":
    unittest.main()
