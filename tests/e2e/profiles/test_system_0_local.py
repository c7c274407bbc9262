"""System 0, the local mail agent: one host whose name is the mail domain, its users, SMTP with or without TLS and login."""

import base64
import imaplib
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import unittest

import programs
from dialogs import Dialog, OpenSsl
from support import POSTHORN, Server, wait_until


class LocalMailAgent(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(domains=("pouet.com",), users=(), mx="pouet.com", profile="local",
                            env={"POSTHORN_PATHS_MAIL": "{folder}/mail"})
        cls.addClassCleanup(cls.server.close)
        for user in ("toto", "tutu"):
            cls.server.add_user(user, user)  # bare local names
        cls.server.start()
        cls.ca = cls.server.root / "tls/cert.pem"

    def smtp(self):
        return Dialog(self.server.port("smtp"))

    def mail_of(self, user, marker):
        def look():
            folder = self.server.folder / "mail" / user
            files = [*folder.glob("new/*"), *folder.glob("cur/*")]
            return next((text for text in (file.read_text() for file in files) if marker in text), None)
        return wait_until(look)

    def deliver(self, dialog, marker, sender="MAIL FROM: <toto@pouet.com>", to="RCPT TO: <tutu@pouet.com>"):
        self.assertRegex(dialog.say(sender), r"^250 ")
        self.assertRegex(dialog.say(to), r"^250 ")
        self.assertRegex(dialog.say("DATA"), r"^354 .*\.")
        for line in ("From: toto@pouet.com", "To: tutu@pouet.com", f"Subject: {marker}", "", f"body {marker}"):
            dialog.send(line)
        self.assertRegex(dialog.say("."), r"^250 ")

    def test_the_demonstrations_dialog_word_for_word(self):
        with self.smtp() as dialog:
            self.assertRegex(dialog.read(), r"^220 pouet\.com ESMTP ")
            self.assertEqual(dialog.say("EHLO localhost").split("\n")[0], "250-pouet.com Hello localhost [127.0.0.1]")
            self.assertEqual(dialog.say("MAIL FROM: <toto@pouet.com>"), "250 OK")
            self.assertEqual(dialog.say("RCPT TO: <tutu@pouet.com>"), "250 Accepted")
            self.assertEqual(dialog.say("DATA"), '354 Enter message, ending with "." on a line by itself')
            for line in ("From: toto@pouet.com", "To: tutu@pouet.com", "Subject: marker-words", "Hello tutu!"):
                dialog.send(line)
            self.assertRegex(dialog.say("."), r"^250 OK id=\w+$")
            self.assertEqual(dialog.say("QUIT"), "221 pouet.com closing connection")
        self.assertIn("Hello tutu!", self.mail_of("tutu", "marker-words"))

    def test_open_local_submission_with_a_space_behind_the_colon(self):
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-open")
            self.assertRegex(dialog.say("QUIT"), r"^221 ")
        self.assertIn("body marker-open", self.mail_of("tutu", "marker-open"))

    def test_a_header_that_runs_into_the_body(self):
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("HELO client")
            dialog.say("MAIL FROM: <toto@pouet.com>")
            dialog.say("RCPT TO: <tutu@pouet.com>")
            dialog.say("DATA")
            for line in ("From: toto@pouet.com", "To: tutu@pouet.com", "Subject: marker-run", "Hello tutu,", "this is marker-run."):
                dialog.send(line)
            self.assertRegex(dialog.say("."), r"^250 ")
        self.assertIn("this is marker-run.", self.mail_of("tutu", "marker-run"))

    def test_bare_local_names_as_recipients(self):
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-bare", to="RCPT TO:<tutu>")
            dialog.say("MAIL FROM:<toto@pouet.com>")
            self.assertRegex(dialog.say("RCPT TO:<nobody>"), r"^550 5\.1\.1 ")

    def test_smtp_login_in_the_clear_by_bare_name(self):
        with self.smtp() as dialog:
            dialog.read()
            self.assertIn("AUTH PLAIN LOGIN", dialog.say("EHLO client"))
            wrong = base64.b64encode(b"\0toto\0titi").decode()
            self.assertRegex(dialog.say(f"AUTH PLAIN {wrong}"), r"^535 ")
            right = base64.b64encode(b"\0toto\0toto").decode()
            self.assertRegex(dialog.say(f"AUTH PLAIN {right}"), r"^235 ")
            self.deliver(dialog, "marker-login")
        self.mail_of("tutu", "marker-login")

    def test_openssl_session_on_465_with_and_without_a_login(self):
        with OpenSsl(self.server.port("submissions"), self.ca) as dialog:
            self.assertRegex(dialog.read(), r"^220 pouet\.com ESMTP ")
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-tls")
        self.mail_of("tutu", "marker-tls")
        with smtplib.SMTP_SSL("localhost", self.server.port("submissions"), context=self.server.trust(), timeout=30) as client:
            client.login("tutu", "tutu")
            client.sendmail("tutu@pouet.com", ["toto@pouet.com"], "Subject: marker-465\r\n\r\nx\r\n")
        self.mail_of("toto", "marker-465")

    def test_starttls_on_25(self):
        with OpenSsl(self.server.port("smtp"), self.ca, starttls="smtp") as dialog:
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-starttls")
        self.mail_of("tutu", "marker-starttls")

    def test_nothing_leaves_the_host_without_a_login(self):
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            dialog.say("MAIL FROM:<toto@pouet.com>")
            self.assertRegex(dialog.say("RCPT TO:<friend@elsewhere.test>"), r"^554 5\.7\.1 ")

    def test_a_maildir_of_each_user_below_the_mail_folder(self):
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-place")
        self.mail_of("tutu", "marker-place")
        self.assertTrue((self.server.folder / "mail/tutu/cur").is_dir())

    def pop3_session(self, dialog, user):
        self.assertRegex(dialog.read(), r"^\+OK ")
        self.assertRegex(dialog.say(f"USER {user}"), r"^\+OK")
        self.assertRegex(dialog.say(f"PASS {user}"), r"^\+OK")
        count, size = map(int, re.fullmatch(r"\+OK (\d+) (\d+)", dialog.say("STAT")).groups())
        self.assertRegex(dialog.say("LIST"), r"^\+OK")
        sizes = [int(line.split()[1]) for line in dialog.read_block()]
        self.assertEqual((len(sizes), sum(sizes)), (count, size))
        texts = []
        for number, expected in enumerate(sizes, 1):
            self.assertRegex(dialog.say(f"RETR {number}"), r"^\+OK")
            lines = dialog.read_block()
            self.assertEqual(sum(len(line.encode()) + 2 - (line.startswith(".")) for line in lines), expected)
            texts.append("\n".join(lines))
        self.assertRegex(dialog.say("QUIT"), r"^\+OK")
        return texts

    def test_pop3_dialog_by_bare_name_sees_what_smtp_delivered(self):
        self.server.add_user("titi", "titi")
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-pop3", to="RCPT TO: <titi@pouet.com>")
        self.mail_of("titi", "marker-pop3")
        with Dialog(self.server.port("pop3")) as dialog:
            texts = self.pop3_session(dialog, "titi")
        self.assertEqual(len(texts), 1)
        self.assertIn("body marker-pop3", texts[0])

    def test_openssl_session_on_995(self):
        self.server.add_user("tata", "tata")
        with self.smtp() as dialog:
            dialog.read()
            dialog.say("EHLO client")
            self.deliver(dialog, "marker-995", to="RCPT TO: <tata@pouet.com>")
        self.mail_of("tata", "marker-995")
        with OpenSsl(self.server.port("pop3s"), self.ca) as dialog:
            self.assertIn("body marker-995", self.pop3_session(dialog, "tata")[0])

    def test_msmtp_sends_and_fetchmail_fetches(self):
        self.server.add_user("tete", "tete")
        text = b"From: tutu@pouet.com\nTo: tete@pouet.com\nSubject: marker-programs\n\nbody marker-programs\n"
        for login in ("auth off\n", "auth plain\nuser tutu\npassword tutu\n"):
            for tls in ("tls off\n", f"tls on\ntls_starttls on\ntls_trust_file {self.ca}\n"):
                programs.msmtp(f"account default\nhost localhost\nport {self.server.port('smtp')}\nfrom tutu@pouet.com\n{login}{tls}",
                               "tete@pouet.com", message=text)
        wait_until(lambda: len(list((self.server.folder / "mail/tete").glob("new/*"))) == 4)
        for port, tls, count in (("pop3", 'sslproto ""', 0), ("pop3s", f'ssl sslcertck sslcertfile "{self.ca}"', 4)):
            if count:  # the first run left it on the server
                keep = "no keep fetchall"
            else:
                keep, count = "keep", 4
            fetched = programs.fetchmail(f'poll localhost protocol POP3 port {self.server.port(port)}\n  user "tete" password "tete" {keep} {tls}\n')
            self.assertEqual(fetched.count("body marker-programs"), count)
        with Dialog(self.server.port("pop3")) as dialog:
            self.assertEqual(self.pop3_session(dialog, "tete"), [])

    def test_readers_log_in_in_the_clear_by_bare_name(self):
        client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=30)
        self.assertEqual(client.login("tutu", "tutu")[0], "OK")
        client.logout()


@unittest.skipUnless(os.geteuid() == 0, programs.WHY_NOT_ROOT)
class UnixUsersOfTheHost(unittest.TestCase):
    """`su toto`: the users are accounts of the machine, with programs of their own beside the server."""

    @classmethod
    def setUpClass(cls):
        cls.users = programs.UnixUsers("toto", "tutu")
        cls.addClassCleanup(cls.users.close)
        cls.toto, cls.tutu = cls.users.toto, cls.users.tutu
        cls.server = Server(domains=("pouet.com",), users=(), mx="pouet.com", profile="local",
                            env={"POSTHORN_PATHS_MAIL": "{folder}/mail", "POSTHORN_STORE_RESCAN": "300ms"})
        cls.addClassCleanup(cls.server.close)
        for user in (cls.toto, cls.tutu):
            cls.server.add_user(user, user)
        cls.links = programs.links(cls.server)
        cls.server.start()

    def box(self, user):
        return self.server.folder / "mail" / user

    def send(self, user, *markers):
        for marker in markers:
            with smtplib.SMTP("127.0.0.1", self.server.port("smtp"), timeout=30) as client:
                client.sendmail("someone@pouet.com", [f"{user}@pouet.com"],
                                f"From: someone@pouet.com\r\nTo: {user}@pouet.com\r\nSubject: {marker}\r\n\r\nbody of {marker}\r\n")
            wait_until(lambda: self.files(user, marker))

    def files(self, user, marker):
        found = []
        for file in [*self.box(user).glob("new/*"), *self.box(user).glob("cur/*")]:
            try:
                if marker in file.read_text():
                    found.append(file)
            except OSError:  # it was renamed meanwhile
                pass
        return found

    def imap(self, user):
        client = imaplib.IMAP4("127.0.0.1", self.server.port("imap"), timeout=30)
        client.login(user, user)
        return client

    def flags(self, user, marker):
        client = self.imap(user)
        client.select("INBOX", readonly=True)
        numbers = client.search(None, "SUBJECT", f'"{marker}"')[1][0].split()
        told = [client.fetch(number, "(FLAGS)")[1][0].decode() for number in numbers]
        client.logout()
        return told

    def mutt(self, user, *keys, config="", **env):
        return programs.mutt(keys, "set delete=yes\nset quit=yes\nset confirmappend=no\nset wait_key=no\nset mbox_type=Maildir\nset folder=~\n" + config,
                             home=self.users.home(user), user=user, env={"MAIL": str(self.box(user)), **env})

    def use_sendmail(self):
        return {"MAILRC": "/dev/null", "POSTHORN_CONF": str(self.server.conf)}

    @unittest.skipUnless(shutil.which("mail.mailutils"), "GNU mailutils is not here")
    def test_echo_to_mail_and_read_by_mail(self):
        """echo text | mail -s test toto@pouet.com, then `mail`."""
        self.users.run(self.tutu, "mail.mailutils", "-E", f"set sendmail=sendmail:{self.links}/sendmail", "-s", "test-mail", f"{self.toto}@pouet.com",
                       input="marker-mail\n", **self.use_sendmail())
        wait_until(lambda: self.files(self.toto, "marker-mail"))
        self.assertRegex(self.files(self.toto, "marker-mail")[0].read_text(), rf"(?m)^From: .*\b{self.tutu}@")  # this machine's name follows
        listed = self.users.run(self.toto, "mail.mailutils", "-H", MAIL=str(self.box(self.toto))).stdout
        number = re.search(r"(?m)^\W*[NRU]?\s*(\d+) .*test-mail", listed)
        self.assertTrue(number, listed)
        shown = self.users.run(self.toto, "mail.mailutils", "-N", input=f"p {number[1]}\nx\n", MAIL=str(self.box(self.toto))).stdout
        self.assertIn("marker-mail", shown)

    @unittest.skipUnless(shutil.which("bsd-mailx"), "bsd-mailx is not here")
    def test_the_sendmail_command_under_bsd_mail(self):
        rc = self.users.home(self.tutu) / "rc"
        rc.write_text(f"set sendmail={self.links}/sendmail\n")
        rc.chmod(0o644)
        self.users.run(self.tutu, "bsd-mailx", "-s", "test-mailx", f"{self.toto}@pouet.com", input="marker-mailx\n", **{**self.use_sendmail(), "MAILRC": str(rc)})
        wait_until(lambda: self.files(self.toto, "marker-mailx"))

    def test_mutt_reads_flags_and_removes_and_imap_sees_it(self):
        self.send(self.toto, "marker-read", "marker-gone", "marker-flag")
        keep = self.imap(self.toto)
        keep.select("INBOX")
        pick = lambda marker: f"/~s {marker}\n"
        shown = self.mutt(self.toto, pick("marker-read") + "\n", "i" + pick("marker-gone") + "d", pick("marker-flag") + "F", "$", "q")
        self.assertIn("body of marker-read", shown)
        self.assertIn("\\Seen", self.flags(self.toto, "marker-read")[0])
        self.assertIn("\\Flagged", self.flags(self.toto, "marker-flag")[0])
        self.assertEqual(self.flags(self.toto, "marker-gone"), [])
        self.assertEqual(keep.noop()[0], "OK")  # the session that was open lives on
        numbers = keep.search(None, "SUBJECT", '"marker-flag"')[1][0].split()
        keep.store(numbers[0], "+FLAGS", "\\Answered")
        keep.logout()
        self.assertRegex(self.files(self.toto, "marker-flag")[0].name, r":2,.*R")

    def test_what_mutt_saves_is_in_the_mailbox(self):
        (self.users.home(self.toto) / "old").write_text("From tutu@pouet.com Thu Jan  1 00:00:00 2026\nFrom: tutu@pouet.com\nSubject: marker-saved\n\nan old one\n")
        self.mutt(self.toto, f"C\x15{self.box(self.toto)}\n", "q", config=f"set spoolfile={self.users.home(self.toto)}/old\n", MAIL="")
        file = self.files(self.toto, "marker-saved")[0]
        self.assertEqual(file.owner(), self.toto)
        client = self.imap(self.toto)
        client.select("INBOX")
        number = client.search(None, "SUBJECT", '"marker-saved"')[1][0].split()[0]
        self.assertIn(b"an old one", client.fetch(number, "(BODY[])")[1][0][1])
        self.assertEqual(client.copy(number, "Archive")[0], "OK")
        self.assertEqual(client.store(number, "+FLAGS", "\\Deleted")[0], "OK")
        client.expunge()
        client.logout()
        self.assertEqual(self.files(self.toto, "marker-saved"), [])

    def test_nobody_reads_what_is_not_theirs(self):
        self.send(self.toto, "marker-mine")
        file = self.files(self.toto, "marker-mine")[0]
        self.assertEqual(self.users.run(self.toto, "cat", file).stdout.count("marker-mine"), 2)
        for command in (("cat", file), ("ls", file.parent), ("ls", self.box(self.toto)), ("touch", self.box(self.toto) / "cur/planted")):
            self.assertNotEqual(self.users.run(self.tutu, *command, check=False).returncode, 0, command)
        # Only the messages are the user's: not their text, not the index, not the names of the mailboxes.
        for command in (f"echo x >> {file}", f"cat {self.box(self.toto)}/posthorn.index", f"ln -s ../{self.tutu} {self.box(self.toto)}/.Evil",
                        f"mv {self.box(self.toto)}/cur {self.box(self.toto)}/other", f"rm {self.box(self.toto)}/dovecot-uidlist",
                        f"mkdir {self.box(self.toto)}/.New", f"ls {self.box(self.toto).parent}"):
            self.assertNotEqual(self.users.run(self.toto, "sh", "-c", command, check=False).returncode, 0, command)

    def test_links_that_a_user_plants_lead_nowhere(self):
        self.send(self.tutu, "marker-secret")
        secret = self.files(self.tutu, "marker-secret")[0]
        client = self.imap(self.toto)
        client.create("Planted")
        client.select("Planted")
        cur = self.box(self.toto) / ".Planted/cur"
        outside = self.users.home(self.toto) / "outside"
        self.users.run(self.toto, "sh", "-c", f"echo kept > {outside}; mkdir -p {outside}.d; echo kept > {outside}.d/file")
        for command in (f"ln -s {secret} {cur}/1700000001.M1P1.x:2,", f"ln -s {outside} {cur}/1700000002.M1P1.x:2,", f"mkfifo {cur}/1700000003.M1P1.x:2,",
                        f"mkdir {cur}/1700000004.M1P1.x:2,; chmod 700 {cur}/1700000004.M1P1.x:2,; mkdir {cur}/1700000004.M1P1.x:2,/deep", f"ln -s {outside}.d {cur}/deep", f"printf 'Subject: own\\n\\nmine\\n' > {cur}/1700000005.M1P1.x:2,",
                        f"printf 'Subject: shut\\n\\nx\\n' > {cur}/1700000006.M1P1.x:2,; chmod 0 {cur}/1700000006.M1P1.x:2,"):
            self.users.run(self.toto, "sh", "-c", command)
        wait_until(lambda: client.noop()[0] == "OK" and client.search(None, "SUBJECT", "own")[1][0].split(), 10, 0.3)
        self.assertEqual(client.search(None, "BODY", "marker-secret")[1], [b""])
        numbers = client.search(None, "ALL")[1][0].split()
        self.assertEqual(len(numbers), 1)  # one plain file that the store can read
        own = client.search(None, "SUBJECT", "own")[1][0].split()[0]
        self.assertIn(b"mine", client.fetch(own, "(BODY.PEEK[])")[1][0][1])
        # A file that is cut off while it is served ends badly for its owner at most.
        self.users.run(self.toto, "sh", "-c", f": > {cur}/1700000005.M1P1.x:2,")
        client.fetch(own, "(BODY.PEEK[])")
        client.close()
        self.assertEqual(client.delete("Planted")[0], "OK")
        client.logout()
        self.assertIn("marker-secret", secret.read_text())
        self.assertEqual((outside.read_text(), (pathlib.Path(f"{outside}.d") / "file").read_text()), ("kept\n", "kept\n"))
        self.send(self.toto, "marker-after")  # and the account lives
        self.assertTrue(self.flags(self.toto, "marker-after"))

    def test_an_account_of_the_machine_made_while_the_server_runs(self):
        late = self.users.make(self.toto + "l")
        self.server.add_user(late, late)
        self.send(late, "marker-late")
        self.assertIn("marker-late", self.users.run(late, "sh", "-c", f"cat {self.box(late)}/new/*").stdout)
        self.users.run(late, self.links / "sendmail", f"{self.toto}@pouet.com", input="Subject: x\n\nmarker-from-late\n", **self.use_sendmail())
        wait_until(lambda: self.files(self.toto, "marker-from-late"))

    def test_what_lay_there_before_is_shared_too(self):
        """A maildir from the time when the setting was off."""
        server = Server(domains=("pouet.com",), users=(), mx="pouet.com", profile="local", env={"POSTHORN_PATHS_MAIL": "{folder}/mail", "POSTHORN_STORE_UNIX_USERS": "no"})
        self.addCleanup(server.close)
        server.add_user(self.toto, self.toto)
        box = server.folder / "mail" / self.toto
        deliver = lambda marker: smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=30).sendmail("a@b.test", [f"{self.toto}@pouet.com"], f"Subject: {marker}\r\n\r\n{marker}\r\n")
        server.start()
        deliver("marker-before")
        file = wait_until(lambda: next(box.glob("new/*"), None))
        self.assertNotEqual(self.users.run(self.toto, "cat", file, check=False).returncode, 0)
        server.stop()
        server.env["POSTHORN_STORE_UNIX_USERS"] = "yes"
        server.start()
        deliver("marker-behind")
        wait_until(lambda: len(list(box.glob("new/*"))) == 2)
        shown = self.users.run(self.toto, "sh", "-c", f"cat {box}/new/*").stdout
        self.assertIn("marker-before", shown)
        self.assertIn("marker-behind", shown)


class AnyHost(unittest.TestCase):
    def test_listens_on_every_address_and_is_seen_at_once(self):
        """Published as 1025, 1465, 1110 and 1995, seen with netstat -tlpn; no root is needed for it."""
        server = Server(domains=(), users=(), mx="some.where.example", profile="local", env={"POSTHORN_PATHS_MAIL": "{folder}/mail"})
        self.addCleanup(server.close)
        server.conf.write_text(server.conf.read_text().replace("127.0.0.1:", "0.0.0.0:"))
        server.start()
        listening = subprocess.run(["ss", "-Htln"], capture_output=True, text=True, check=True).stdout
        for service in ("smtp", "submissions", "pop3", "pop3s"):
            self.assertRegex(listening, rf"(?m)\s0\.0\.0\.0:{server.port(service)}\s")
        with Dialog(server.port("smtp")) as dialog:  # any name, by --hostname alone
            self.assertRegex(dialog.read(), r"^220 some\.where\.example ESMTP")
        folder = server.folder / "plain"
        subprocess.run([POSTHORN, "init", str(folder), "--profile", "local", "--hostname", "pouet.com", "--port-base", "1000", "--mail", str(folder / "mail")],
                       check=True, capture_output=True)
        text = (folder / "conf/posthorn.toml").read_text()
        for service, port in (("smtp", 1025), ("submissions", 1465), ("pop3", 1110), ("pop3s", 1995)):
            self.assertRegex(text, rf'(?m)^{service} = \["0\.0\.0\.0:{port}", ')

    def test_a_broken_configuration_harms_nothing(self):
        server = Server(domains=("pouet.com",), users=(), mx="pouet.com", profile="local", env={"POSTHORN_PATHS_MAIL": "{folder}/mail"})
        self.addCleanup(server.close)
        server.add_user("toto", "toto")
        server.start()
        good = server.conf.read_text()
        server.conf.write_text(good + "\n[nonsense\n")
        told = server.run("check", check=False)
        self.assertNotEqual(told.returncode, 0)
        self.assertIn("posthorn.toml", told.stderr)
        with Dialog(server.port("smtp")) as dialog:  # what runs goes on
            self.assertRegex(dialog.read(), "^220 ")
        server.stop()
        self.assertEqual(subprocess.run(server.command(), env=server.env, capture_output=True, timeout=60).returncode, 78)
        server.conf.write_text(good)
        server.start()
        with Dialog(server.port("pop3")) as dialog:
            dialog.read()
            dialog.say("USER toto")
            self.assertRegex(dialog.say("PASS toto"), r"^\+OK")


if __name__ == "__main__":
    unittest.main()
