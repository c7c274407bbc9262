#!/usr/bin/env python3
"""Asks Dovecot's imap about each mail of this folder, in a session without a network, and writes answers.json.

Run as root (Dovecot's imap gives its rights up for the account "mail"); nothing but a temporary folder is written besides.
"""

import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from test_odd_mails import answers_of, dialog, mails

CONFIG = """
protocols = imap
mail_location = maildir:{0}/Maildir
ssl = no
log_path = {0}/log
base_dir = {0}/base
mail_uid = mail
first_valid_uid = 1
"""


def main():
    folder = tempfile.mkdtemp()
    try:
        mail = pwd.getpwnam("mail")
        pathlib.Path(folder, "conf").write_text(CONFIG.format(folder))
        for name in ("", "base", "Maildir", "Maildir/cur", "Maildir/new", "Maildir/tmp"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
            os.chown(os.path.join(folder, name), mail.pw_uid, mail.pw_gid)
        done = subprocess.run(["/usr/lib/dovecot/imap", "-c", folder + "/conf"], input=dialog(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=60, user="mail", group="mail", extra_groups=[], env={"USER": "mail", "HOME": folder, "PATH": os.defpath})
    finally:
        shutil.rmtree(folder)
    answers = answers_of(done.stdout)
    assert len(answers) == len(mails())
    lines = [f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in sorted(answers.items())]
    (HERE / "answers.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
