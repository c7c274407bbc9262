"""The power goes, for the file system at least: ext4 on a loop device forgets all that was not synced, and the machine has
"started anew". What was told of a mailbox still holds: every message that was acknowledged is there, under its UID."""

import contextlib
import fcntl
import imaplib
import os
import pathlib
import pwd
import re
import struct
import subprocess
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import FULL, Server, wait_until

ROUNDS = 20 if FULL else 2
FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2


def run(*command):
    return subprocess.run(command, capture_output=True).returncode == 0


@unittest.skipUnless(os.geteuid() == 0, "only root mounts a disk of its own")
class Power(unittest.TestCase):
    def setUp(self):
        self.server = Server(settings={"log.level": '"warning"'})
        self.addCleanup(self.server.close)
        self.mail = self.server.root / "var" / "mail"
        self.image = self.server.folder / "disk"
        with open(self.image, "wb") as out:
            out.truncate(256 << 20)
        if not run("mkfs.ext4", "-q", str(self.image)) or not self.mount():
            self.skipTest("no loop mount here")
        self.addCleanup(lambda: run("umount", "-l", str(self.mail)))
        self.boot = self.server.folder / "boot_id"

    def mount(self):
        return run("mount", "-o", "loop,noauto_da_alloc,commit=300", str(self.image), str(self.mail))

    def start(self):
        self.boot.write_text(f"{uuid.uuid4()}\n")
        self.server.start(["unshare", "-m", "sh", "-c", f'mount --bind {self.boot} /proc/sys/kernel/random/boot_id && exec "$@"', "sh"])

    def append(self, told, lock, name):
        with contextlib.suppress(Exception), contextlib.ExitStack() as stack:
            client = self.server.imap("bob")
            stack.callback(client.shutdown)
            for number in range(100_000):
                subject = f"{name}.{number}"
                kind, (text,) = client.append("INBOX", None, None, f"Subject: {subject}\r\n\r\nbody\r\n".encode())
                found = re.match(rb"\[APPENDUID (\d+) (\d+)\]", text)
                if kind == "OK" and found:
                    with lock:
                        told[found.groups()] = subject.encode()

    def cut(self):
        folder = os.open(self.mail, os.O_RDONLY)
        fcntl.ioctl(folder, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(folder)
        self.server.kill()

    def test_told_uids_outlive_it(self):
        account = pwd.getpwnam("vmail")
        os.chown(self.mail, account.pw_uid, account.pw_gid)
        os.chmod(self.mail, 0o700)
        run("sync", "-f", str(self.mail))
        told, lock = {}, threading.Lock()
        for number in range(ROUNDS):
            self.start()
            threads = [threading.Thread(target=self.append, args=(told, lock, f"{number}.{i}"), daemon=True) for i in range(3)]
            for thread in threads:
                thread.start()
            # Some in each round, and never at the same place.
            before, end = len(told), time.monotonic() + 60
            while len(told) < before + 30 + 7 * number and time.monotonic() < end:
                time.sleep(0.01)
            self.cut()
            for thread in threads:
                thread.join(60)
            self.assertTrue(run("umount", str(self.mail)))
            # Each role had the mount in its own name space: until the last one is gone it would be the dead file system again.
            wait_until(lambda: not subprocess.run(["losetup", "-j", str(self.image)], capture_output=True).stdout.strip(), 60)
            self.assertTrue(self.mount())
            self.start()
            try:
                client = self.server.imap("bob")
            except imaplib.IMAP4.error as error:
                raise AssertionError(self.server.log()[-3000:]) from error
            client.select("INBOX", readonly=True)
            (validity,) = client.response("UIDVALIDITY")[1]
            there = {}
            for part in client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
                if isinstance(part, tuple):
                    there[(validity, re.search(rb"UID (\d+)", part[0])[1])] = part[1].split(b": ", 1)[1].strip()
            client.logout()
            wrong = {key: (subject, there.get(key)) for key, subject in told.items() if there.get(key) != subject}
            self.assertEqual(wrong, {}, f"{len(wrong)} of {len(told)} UIDs that were told are not so, round {number}")
            self.server.stop()
        self.assertGreater(len(told), 30)


if __name__ == "__main__":
    unittest.main()
