"""The programs that the systems' users type: mutt in a terminal, mail, msmtp, fetchmail, sendmail's names; and accounts of
the machine to run them, made for a test and removed after it.
"""

import contextlib
import os
import pathlib
import pty
import pwd
import re
import secrets
import select
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support import POSTHORN

WHY_NOT_ROOT = "only root makes accounts of the machine"
SCREEN = re.compile(rb"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>78])|[\x0e\x0f]")


class UnixUsers:
    """Accounts of this machine with a home each, under names that nobody else has; gone with close()."""

    def __init__(self, *names):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-homes-"))
        self.folder.chmod(0o711)
        self.made = []
        suffix = secrets.token_hex(3)
        for name in names:
            setattr(self, name, f"{name}{suffix}")
            self.make(f"{name}{suffix}")

    def make(self, name):
        subprocess.run(["useradd", "--no-create-home", "--home-dir", str(self.home(name)), "--shell", "/bin/sh", name], check=True,
                       capture_output=True)
        self.made.append(name)
        self.home(name).mkdir(mode=0o700)
        account = pwd.getpwnam(name)
        os.chown(self.home(name), account.pw_uid, account.pw_gid)
        return name

    def home(self, name):
        return self.folder / name

    def close(self):
        for name in self.made:
            subprocess.run(["userdel", name], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", str(self.folder)], check=True)

    def environment(self, name, **env):
        return {"HOME": str(self.home(name)), "PATH": os.environ["PATH"], "TERM": "vt100", "LANG": "C.UTF-8", "USER": name,
                "LOGNAME": name, **env}

    def run(self, name, *command, input="", check=True, **env):
        """What the account gets when it types this."""
        account = pwd.getpwnam(name)
        done = subprocess.run([str(word) for word in command], input=input, capture_output=True, text=True, timeout=60, cwd=self.home(name),
                              env=self.environment(name, **env), user=account.pw_uid, group=account.pw_gid, extra_groups=[])
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done


def mutt(keys, config, *args, home, env=None, user=None):
    """mutt on a terminal of its own: the keys are pressed one group after the other, each when the screen is at rest.

    What it showed, without the terminal's commands. It must end by what the keys say.
    """
    rc = pathlib.Path(home) / "muttrc"
    rc.write_text(config)
    if user is not None:
        rc.chmod(0o644)
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            if user is not None:
                account = pwd.getpwnam(user)
                os.setgroups([])
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
            os.chdir(home)
            os.execvpe("mutt", ["mutt", "-n", "-F", str(rc), *map(str, args)],
                       {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "vt100", "LANG": "C.UTF-8", **(env or {})})
        finally:
            os._exit(127)
    shown, waiting, status, end = b"", list(keys), None, time.monotonic() + 60
    try:
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.4)[0]:
                try:
                    part = os.read(terminal, 65536)
                except OSError:  # the other side is closed
                    part = b""
                if not part:
                    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    break
                shown += part
            elif waiting:
                os.write(terminal, waiting.pop(0).encode())
    finally:
        os.close(terminal)
        if status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
            os.waitpid(pid, 0)
    text = SCREEN.sub(b" ", shown).decode("utf-8", "replace")
    assert status == 0, f"mutt ended with {status}, keys not pressed: {waiting}\n{text[-1500:]}"
    return text


def msmtp(config, *args, message):
    with tempfile.TemporaryDirectory() as folder:
        rc = pathlib.Path(folder) / "msmtprc"
        rc.write_text(config)
        rc.chmod(0o600)
        done = subprocess.run(["msmtp", "-C", str(rc), *args], input=message, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr


def fetchmail(config):
    """The messages it fetched, as one text."""
    with tempfile.TemporaryDirectory() as folder:
        rc, box = pathlib.Path(folder) / "fetchmailrc", pathlib.Path(folder) / "box"
        rc.write_text(config)
        rc.chmod(0o600)
        done = subprocess.run(["fetchmail", "-f", str(rc), "--nodetach", "--nosyslog", "--pidfile", f"{folder}/pid", "--idfile", f"{folder}/ids",
                               "--bsmtp", str(box)], capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": folder, "FETCHMAILHOME": folder})
        assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
        return box.read_text()


def links(server):
    """A folder with sendmail, mailq, newaliases and postmap, as `cmake --install` makes them."""
    folder = server.folder / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("sendmail", "mailq", "newaliases", "postmap"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(POSTHORN)
    return folder
