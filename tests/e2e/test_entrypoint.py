"""The container's entrypoint with what people's env files and secrets hold, run in a mount namespace of its own.

The folders that it writes to are empty ones in memory; the program is the one that is tested.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import POSTHORN, ROOT, free_port_base, wait_until

ENTRYPOINT = ROOT / "deploy/container/entrypoint.sh"
FOLDERS = ("/etc/posthorn", "/var/mail", "/var/spool/posthorn", "/var/lib/posthorn", "/run/posthorn", "/run/secrets")
INSIDE = "".join(f"mkdir -p {folder}; mount -t tmpfs -o mode=755 none {folder}; " for folder in FOLDERS) + """
cp -r "$SECRETS"/. /run/secrets/ 2>/dev/null
bash "$ENTRYPOINT" "$@"; rc=$?
mkdir -p "$OUT"; cp -a /etc/posthorn/. "$OUT"/; exit $rc
"""


@unittest.skipUnless(os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0,
                     "only root makes mount namespaces")
class Entrypoint(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-entry-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        (self.folder / "secrets").mkdir()
        (self.folder / "bin").mkdir()
        (self.folder / "bin/posthorn").symlink_to(POSTHORN)
        self.out = self.folder / "out"

    def environment(self, variables):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("POSTHORN", "MAIL"))}
        return {**kept, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "SECRETS": str(self.folder / "secrets"), "OUT": str(self.out),
                "ENTRYPOINT": str(ENTRYPOINT), "MAIL_HOSTNAME": "mail.a.test", **variables}

    def command(self):
        return ["unshare", "-m", "--propagation", "private", "bash", "-c", INSIDE, "entrypoint", "serve"]

    def start(self, **variables):
        """Runs it until it serves or ends; (exit code or None, what it said, what it made)."""
        base = free_port_base()
        ports = {f"POSTHORN_LISTEN_{name}": f"127.0.0.1:{base + port}" for name, port in (("SMTP", 25), ("IMAPS", 993))}
        ports |= {f"POSTHORN_LISTEN_{name}": "" for name in ("SUBMISSION", "SUBMISSIONS", "IMAP", "POP3", "POP3S", "HTTP", "HTTPS")}
        log = open(self.folder / "log", "wb")
        process = subprocess.Popen(self.command(), env=self.environment({**ports, **variables}), stdout=log, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        try:
            wait_until(lambda: process.poll() is not None or b"posthorn: ready" in (self.folder / "log").read_bytes(), 90)
            code = process.poll()
            if code is None:
                for pid in subprocess.run(["pgrep", "-s", str(process.pid), "-f", "posthorn serve"], capture_output=True,
                                          text=True).stdout.split():
                    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a role that ended with the first
                        parent = re.search(r"PPid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]
                        if b"--role" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() and int(parent) == process.pid:
                            os.kill(int(pid), signal.SIGTERM)
                process.wait(60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            log.close()
        return code, (self.folder / "log").read_text(errors="replace"), self.out

    def domains(self, made):
        return [line.split()[0] for line in (made / "maps/domains").read_text().splitlines() if line and not line.startswith("#")]

    def test_domains_in_the_ways_people_write_them(self):
        for given in ("a.test b.test", "a.test,b.test", "a.test, b.test\r", '"a.test,b.test"', "'a.test b.test'\r"):
            with self.subTest(given):
                shutil.rmtree(self.out, True)
                code, said, made = self.start(MAIL_DOMAINS=given, MAIL_HOSTNAME='"mail.a.test"\r')
                self.assertIsNone(code, said)
                self.assertEqual(self.domains(made), ["a.test", "b.test"])
                self.assertIn('hostname = "mail.a.test"', (made / "conf/posthorn.toml").read_text())

    def test_what_is_no_domain_is_refused_before_anything_is_written(self):
        for given in ("*", "a.test *", "user@a.test", "a..test", '"a.test'):
            with self.subTest(given):
                shutil.rmtree(self.out, True)
                code, said, made = self.start(MAIL_DOMAINS=given)
                self.assertEqual(code, 78, said)
                self.assertIn("MAIL_DOMAINS", said)
                self.assertEqual(list(made.iterdir()), [])

    def test_a_secret_that_is_not_mounted_names_its_variable(self):
        for name in ("MAIL_PASSWORD__FILE", "MAIL_PGSQL_PASSWORD__FILE", "RELAY_PASSWORD__FILE", "POSTHORN_SERVER_HOSTNAME__FILE"):
            with self.subTest(name):
                shutil.rmtree(self.out, True)
                code, said, made = self.start(MAIL_DOMAINS="a.test", MAIL_ACCOUNT="you@a.test", **{name: "/run/secrets/absent"})
                self.assertEqual(code, 78, said)
                self.assertIn(f"{name}: there is no file /run/secrets/absent", said)
                self.assertEqual(list(made.iterdir()), [])
        code, said, made = self.start(MAIL_DOMAINS="a.test", POSTHORN_PROFILE="test", IMAP_PASSWD_SECRET="absent")
        self.assertEqual((code, list(made.iterdir())), (78, []), said)
        self.assertIn("IMAP_PASSWD_SECRET", said)

    def test_a_secret_with_a_line_end_of_another_system(self):
        (self.folder / "secrets/alice").write_bytes(b"pw one\r\n")
        code, said, made = self.start(MAIL_DOMAINS="a.test", MAIL_ACCOUNT="alice@a.test", MAIL_PASSWORD__FILE="/run/secrets/alice")
        self.assertIsNone(code, said)
        users = (made / "conf/users").read_text()
        hash_ = re.search(r"^alice@a\.test:\{SHA512-CRYPT\}(\S+?)(:|$)", users, re.M)
        self.assertTrue(hash_, users)
        salt = hash_[1].split("$")[2]
        made_again = subprocess.run(["openssl", "passwd", "-6", "-salt", salt, "pw one"], capture_output=True, text=True).stdout.strip()
        if "rounds=" not in hash_[1]:
            self.assertEqual(hash_[1], made_again)

    def test_docker_mailservers_folder_is_taken_over(self):
        config = self.folder / "secrets/dms"
        config.mkdir()
        crypt = subprocess.run(["openssl", "passwd", "-6", "pw"], capture_output=True, text=True).stdout.strip()
        (config / "postfix-accounts.cf").write_text(f"alice@a.test|{{SHA512-CRYPT}}{crypt}\n")
        (config / "postfix-virtual.cf").write_text("info@a.test alice@a.test\n")
        code, said, made = self.start(MAIL_FROM_DMS="/run/secrets/dms")
        self.assertIsNone(code, said)
        self.assertIn("alice@a.test", (made / "conf/users").read_text())
        self.assertIn("info@a.test alice@a.test", (made / "maps/aliases").read_text())
        self.assertEqual(self.domains(made), ["a.test"])


if __name__ == "__main__":
    unittest.main()
