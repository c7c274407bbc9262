"""The life of the server: start, signals, roles that die, systemd's protocols, the stop, and what it refuses to start on.

Each test has a server of its own and looks at what the clients and the operator see: replies, exit statuses, texts, and
the mail afterwards.
"""

import contextlib
import fcntl
import gzip
import imaplib
import os
import pathlib
import poplib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from support import FULL, POSTHORN, ROOT, Server, Smarthost, Wire, message, port_is_free, wait_until
from test_crash import Load

STORM = 200 if FULL else 20

# Puts the sockets it was given on descriptors 3, 4 … and becomes the command: what systemd does.
ACTIVATE = """
import fcntl, os, sys
count = int(sys.argv[1])
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[2:2 + count]]
for target, fd in enumerate(high, 3):
    os.dup2(fd, target, inheritable=True)
    os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""

# Opens what it can, locks it in each way there is, and holds on to it.
LOCKER = """
import fcntl, os, sys
held = []
for path in sys.argv[1:]:
    try:
        held.append(os.open(path, os.O_RDONLY))
        fcntl.flock(held[-1], fcntl.LOCK_EX)
        print(os.path.basename(path), flush=True)
    except OSError as error:
        print(os.path.basename(path), type(error).__name__, flush=True)
sys.stdin.read()
"""
SANITIZED = b"__asan_init" in pathlib.Path(POSTHORN).read_bytes()


def fails_to_start(server, *args):
    """Runs `serve` that must end by itself; its exit status and all it printed."""
    done = subprocess.run(server.command() + list(args), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.returncode, done.stdout


class Supervision(unittest.TestCase):
    def test_a_killed_edge_comes_back_and_its_callers_are_served(self):
        with Server() as server:
            first = server.roles()["edge"]
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: "event=role.died" in server.log())
            # Nobody accepts now, yet the port is open: who calls waits a second and is greeted.
            callers = [Wire(server.port("smtp")) for _ in range(5)]
            for caller in callers:
                self.assertTrue(caller.line().startswith("220 "))
                caller.close()
            second = wait_until(lambda: server.roles().get("edge"))
            self.assertNotEqual(first, second)
            os.kill(second, signal.SIGKILL)
            wait_until(lambda: server.log().count("event=role.died") == 2)
            waits = [int(text) for text in re.findall(r"event=role\.died .* died=edge .*signal=9 .*again_in=(\d+)", server.log())]
            self.assertEqual(len(waits), 2, server.log()[-2000:])
            self.assertTrue(900 <= waits[0] <= 1000 and 1900 <= waits[1] <= 2000, waits)
            caller = Wire(server.port("smtp"))
            self.assertTrue(caller.line().startswith("220 "))
            caller.close()

    def test_each_role_may_die_without_loss(self):
        with Server(settings={"queue.retry_first": '"1s"'}) as server:
            for role in ("lookup", "store", "queue", "edge"):
                os.kill(server.roles()[role], signal.SIGKILL)
                marker = f"marker after {role}"

                def sent():
                    try:
                        server.send(message(role, marker + "\r\n"))
                        return True
                    except (OSError, Exception) as error:  # smtplib: 451 while a role is away
                        self.assertNotIsInstance(error, AssertionError)
                        return False

                wait_until(sent, 30, 0.2)
                server.wait_for(marker)
            self.assertEqual(set(server.roles()), {"edge", "lookup", "queue", "store", "web", "trail"})

    def test_a_killed_supervisor_takes_its_roles_along_and_can_be_followed(self):
        server = Server()
        try:
            server.start()
            roles = server.roles()
            server.send(message("Before", "marker before the kill\r\n"))
            server.process.kill()
            server.process.wait(10)
            server.process = None
            wait_until(lambda: not [pid for pid in roles.values() if pathlib.Path(f"/proc/{pid}").exists()
                                    and "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2]], 30)
            server.start()
            server.wait_for("marker before the kill")
        finally:
            server.close()

    def test_storm_of_restarts_under_load_loses_nothing(self):
        server = Server(settings={"queue.retry_first": '"1s"', "log.level": '"warning"', "limits.drain": '"2s"'})
        acknowledged, done = set(), {}
        generator = random.Random(7)
        try:
            server.start()
            load = Load(server, 0, clients=2)
            for number in range(1, STORM + 1):
                what = generator.choice(["hup", "hup", "role", "stop", "kill"])
                done[what] = done.get(what, 0) + 1
                time.sleep(generator.uniform(0.02, 0.3))
                if what == "hup":
                    server.process.send_signal(signal.SIGHUP)
                elif what == "role":
                    roles = server.roles()
                    if roles:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(generator.choice(sorted(roles.values())), signal.SIGKILL)
                else:
                    if what == "stop":
                        self.assertEqual(server.stop(), 0)
                    else:
                        server.kill()
                    load.join()
                    acknowledged |= load.acknowledged
                    server.start()
                    load = Load(server, number, clients=2)
            wait_until(lambda: load.acknowledged, 90)
            self.assertEqual(server.stop(), 0)
            load.join()
            acknowledged |= load.acknowledged
            server.start()
            wait_until(lambda: not server.run("queue", "list", "--json").stdout.strip(), 120, 0.5)
            found = {raw.split(b"\r\nSubject: ", 1)[1].split(b"\r\n", 1)[0].decode() for raw in server.fetch_all("bob")}
            self.assertEqual(acknowledged - found, set())
            self.assertGreater(len(acknowledged), STORM / 4)
            print(f"\n{done}: {len(acknowledged)} acknowledged, {len(found)} found", file=sys.stderr)
        finally:
            server.close()


class Instances(unittest.TestCase):
    def test_a_second_one_ends_at_once_and_says_why(self):
        with Server() as server:
            for more in ([], ["--one-process"]):
                code, text = fails_to_start(server, *more)
                self.assertNotEqual(code, 0)
                self.assertIn("another instance runs on", text)
                self.assertIn(str(server.root / "var/run"), text)
            self.assertEqual((server.root / "var/run/posthorn.pid").read_text(), f"{server.process.pid}\n")
            server.send(message("Still", "marker still one\r\n"))
            server.wait_for("marker still one")

    @unittest.skipUnless(os.geteuid() == 0, "who else has a shell is another account")
    def test_nobody_else_can_lock_it(self):
        """Whatever below var/run a stranger can open and lock does not hinder a start."""
        server = Server()
        self.addCleanup(server.close)
        server.start()
        server.stop()
        run = server.root / "var/run"
        held = subprocess.Popen(["/usr/bin/python3", "-c", LOCKER, *(str(run / name) for name in ("posthorn.pid", "posthorn.lock"))],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user="nobody", group="nogroup", extra_groups=[])
        self.addCleanup(held.communicate)
        self.assertEqual([held.stdout.readline() for _ in range(2)], ["posthorn.pid\n", "posthorn.lock PermissionError\n"])
        server.start()
        self.assertIn("another instance runs on", fails_to_start(server)[1])
        self.assertEqual((run / "posthorn.pid").read_text(), f"{server.process.pid}\n")
        self.assertEqual((run / "posthorn.lock").stat().st_mode & 0o7777, 0o600)

    def test_too_few_descriptors(self):
        """Whoever lacks them ends and says how many there must be; with so many it works."""
        for one_process in (False, True):
            server = Server(one_process=one_process)
            self.addCleanup(server.close)
            limit, told = 12, []
            while len(told) < 8:
                begin = len(server.log())
                with open(server.log_path, "ab") as log:
                    server.process = subprocess.Popen(["prlimit", f"--nofile={limit}:{limit}", *server.command()], stdout=log, stderr=log,
                                                      start_new_session=True)
                wait_until(lambda: server.process.poll() is not None or "posthorn: ready" in server.log(begin), 60)
                if server.process.poll() is None:
                    break
                self.assertEqual(server.process.returncode, 1)
                found = re.findall(r"the (supervisor|server|role \w+) needs (\d+) open files and may have (\d+): raise the limit", server.log(begin))
                self.assertTrue(found, server.log(begin)[-2000:])
                self.assertTrue(all(int(may) == limit < int(needs) for _, needs, may in found), found)
                told += found
                limit = max(int(needs) for _, needs, _ in found)
            self.assertLess(limit, 75 if not one_process else 250)  # a socket for each of ten services among them
            if not SANITIZED:  # a sanitizer needs descriptors of its own
                server.send(message("Few", "marker few\r\n"))
                server.wait_for("marker few")
            self.assertNotIn("role.died", server.log(begin))

    def test_of_two_started_together_one_runs(self):
        server = Server()
        try:
            both = [subprocess.Popen(server.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
                    for _ in range(2)]
            self.addCleanup(lambda: [p.kill() for p in both if p.poll() is None])
            ended = wait_until(lambda: [p for p in both if p.poll() is not None], 30)
            self.assertEqual(len(ended), 1)
            self.assertNotEqual(ended[0].returncode, 0)
            self.assertIn(b"another instance", ended[0].stdout.read())
            winner = next(p for p in both if p is not ended[0])
            wait_until(lambda: server.run("status", check=False).returncode == 0, 30)
            winner.terminate()
            self.assertEqual(winner.wait(60), 0)
            for process in both:
                process.stdout.close()
        finally:
            server.close()


class Systemd(unittest.TestCase):
    def listen(self, name):
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.bind(name)
        receiver.settimeout(30)
        return receiver

    def test_ready_watchdog_and_stopping_are_told(self):
        for abstract in (False, True):
            with self.subTest(abstract=abstract):
                server = Server()
                try:
                    path = f"posthorn-test-{os.getpid()}" if abstract else str(server.folder / "notify")
                    receiver = self.listen("\0" + path if abstract else path)
                    server.start(env={**os.environ, "NOTIFY_SOCKET": ("@" if abstract else "") + path, "WATCHDOG_USEC": "200000"})
                    told = []
                    while told.count(b"WATCHDOG=1") < 4 or b"READY=1" not in told:
                        told.append(receiver.recv(100))
                    begin, beats = time.monotonic(), 0
                    while time.monotonic() < begin + 1:
                        self.assertEqual(receiver.recv(100), b"WATCHDOG=1")
                        beats += 1
                    self.assertGreaterEqual(beats, 5)  # more often than asked for
                    for pid in server.roles().values():
                        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
                        self.assertNotIn(b"NOTIFY_SOCKET", environment)
                        self.assertNotIn(b"WATCHDOG", environment)
                    self.assertEqual(server.stop(), 0)
                    receiver.setblocking(False)
                    rest = []
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            rest.append(receiver.recv(100))
                    self.assertEqual([text for text in told + rest if text != b"WATCHDOG=1"], [b"READY=1", b"STOPPING=1"])
                    receiver.close()
                finally:
                    server.close()

    def test_a_manager_that_does_not_read_holds_nothing_up(self):
        server = Server()
        try:
            path = str(server.folder / "notify")
            receiver = self.listen(path)
            server.start(env={**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "20000"})
            receiver.settimeout(0.1)
            full = wait_until(lambda: b"WATCHDOG=1" in receiver.recv(100, socket.MSG_PEEK))
            self.assertTrue(full)
            time.sleep(1)  # a hundred signs of life, of which some ten fit
            server.send(message("Unread", "marker unread\r\n"))
            server.wait_for("marker unread")
            os.kill(server.roles()["edge"], signal.SIGKILL)
            wait_until(lambda: "event=role.died" in server.log(), 10)
            self.assertEqual(server.stop(), 0)
        finally:
            server.close()

    def test_a_watchdog_for_another_process_is_not_fed(self):
        server = Server()
        try:
            receiver = self.listen(str(server.folder / "notify"))
            server.start(env={**os.environ, "NOTIFY_SOCKET": str(server.folder / "notify"), "WATCHDOG_USEC": "20000",
                              "WATCHDOG_PID": "1"})
            self.assertEqual(receiver.recv(100), b"READY=1")
            self.assertEqual(server.stop(), 0)
            self.assertEqual(receiver.recv(100), b"STOPPING=1")
        finally:
            server.close()

    def activate(self, server, names, sockets):
        fds = [s.fileno() for s in sockets]
        launcher = [sys.executable, "-c", ACTIVATE, str(len(fds)), *map(str, fds)]
        return launcher, {"pass_fds": fds, "env": {**os.environ, "LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": names}}

    def listener(self):
        listening = socket.socket()
        self.addCleanup(listening.close)
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        return listening

    def test_sockets_are_taken_by_name(self):
        for one_process in (False, True):
            with self.subTest(one_process=one_process):
                server = Server(one_process=one_process)
                try:
                    imaps, smtp = self.listener(), self.listener()
                    early = Wire(smtp.getsockname()[1])  # before anybody serves it
                    launcher, popen = self.activate(server, "imaps:smtp", [imaps, smtp])
                    server.start(launcher, **popen)
                    self.assertTrue(early.line().startswith("220 "))
                    early.close()
                    self.assertTrue(port_is_free(server.port("smtp")))
                    self.assertTrue(port_is_free(server.port("imaps")))
                    self.assertFalse(port_is_free(server.port("submission")))
                    with server.trust().wrap_socket(socket.create_connection(imaps.getsockname(), 30),
                                                    server_hostname="localhost") as tls:
                        self.assertTrue(tls.recv(100).startswith(b"* OK"))
                    if not one_process:  # they outlive a role
                        os.kill(server.roles()["edge"], signal.SIGKILL)
                        talk = Wire(smtp.getsockname()[1])
                        self.assertTrue(talk.line().startswith("220 "))
                        talk.close()
                finally:
                    server.close()

    def test_a_socket_of_an_unknown_name_is_refused(self):
        server = Server()
        try:
            launcher, popen = self.activate(server, "smpt", [self.listener()])
            done = subprocess.run([*launcher, *server.command()], capture_output=True, text=True, timeout=60, **popen)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn('"smpt"', done.stderr)
        finally:
            server.close()


class Stop(unittest.TestCase):
    def test_what_has_begun_is_finished_and_the_idle_are_told(self):
        server = Server()
        try:
            server.start()
            busy, idle, greeted = (Wire(server.port("smtp")) for _ in range(3))
            for talk in (busy, idle, greeted):
                talk.line()
            busy.ask("EHLO client.test")
            idle.ask("EHLO client.test")
            busy.ask("MAIL FROM:<friend@elsewhere.test>")
            busy.ask("RCPT TO:<bob@example.org>")
            self.assertTrue(busy.ask("DATA").startswith("354"))
            busy.socket.sendall(b"Subject: begun\r\n\r\nmarker begun")
            before_login = Wire(server.port("imap"))
            before_login.line()
            user = server.imap("bob")
            user.select("INBOX")
            begin = time.monotonic()
            server.process.terminate()
            self.assertRegex(idle.line(), "^421 ")
            self.assertRegex(greeted.line(), "^421 ")
            self.assertRegex(before_login.line(), "^. BYE")
            self.assertRegex(user.readline(), b"^. BYE")
            with self.assertRaises(ConnectionRefusedError):
                Wire(server.port("smtp")).close()
            server.process.send_signal(signal.SIGHUP)  # nothing to do with a stop
            server.process.terminate()
            for pid in server.roles().values():
                os.kill(pid, signal.SIGINT)  # as a terminal does at Ctrl-C
            self.assertIsNone(server.process.poll())
            busy.socket.sendall(b", and finished\r\n.\r\n")
            self.assertTrue(busy.reply().startswith("250 "))
            self.assertTrue(busy.line().startswith("421 "))
            for talk in (busy, idle, greeted, before_login):
                talk.close()
            with contextlib.suppress(Exception):
                user.shutdown()
            self.assertEqual(server.process.wait(30), 0)
            self.assertLess(time.monotonic() - begin, 25)
            server.process = None
            server.start()
            server.wait_for("marker begun, and finished")
        finally:
            server.close()

    def test_a_client_that_stays_does_not_hold_up_the_stop(self):
        """Mail programs keep a connection beside the one in IDLE, and look at it when they need it next."""
        server = Server(settings={"limits.drain": '"120s"'})
        try:
            server.start()
            stay = [server.imap("bob") for _ in range(3)]
            stay[1].select()
            stay[2].select()
            stay[2].send(b"x IDLE\r\n")
            self.assertEqual(stay[2].readline()[:1], b"+")
            pop = poplib.POP3_SSL("localhost", server.port("pop3s"), context=server.trust(), timeout=30)
            pop.user("bob@example.org")
            pop.pass_(server.password("bob@example.org"))
            begin = time.monotonic()
            self.assertEqual(server.stop(), 0)
            self.assertLess(time.monotonic() - begin, 60)
            for client in stay:
                self.assertIn(b"* BYE The server is stopping", client.file.read())
                client.shutdown()
            pop.close()
            log = server.log()
            self.assertEqual(len(re.findall('role=store event=imap.ended .*reason="the server is stopping"', log)), 3, log[-3000:])
            self.assertEqual(len(re.findall('role=edge event=(?:imap|pop3).closed .*reason="the session ended"', log)), 4, log[-3000:])
        finally:
            server.close()

    def test_the_drain_has_an_end(self):
        server = Server(settings={"limits.drain": '"1s"'})
        try:
            server.start()
            busy = Wire(server.port("smtp"))
            busy.line()
            for command in ("EHLO client.test", "MAIL FROM:<friend@elsewhere.test>", "RCPT TO:<bob@example.org>", "DATA"):
                busy.ask(command)
            busy.socket.sendall(b"Subject: never\r\n\r\nmarker never ended")
            begin = time.monotonic()
            self.assertEqual(server.stop(), 0)
            self.assertLess(time.monotonic() - begin, 12)
            self.assertNotIn("250", busy.line())
            busy.close()
            server.start()
            self.assertEqual(server.run("queue", "list", "--json").stdout.strip(), "")
            self.assertEqual(server.fetch_all("bob"), [])
        finally:
            server.close()


LINE = re.compile(rb"ts=\S+ level=\w+ role=\w+ event=[\w.]+ s=\S+ q=\S+( .*)?")


class LogFile(unittest.TestCase):
    def rotating(self, one_process=False):
        """A server whose log lies in a folder of its own, as the package has it, and what rotates it there: the package's own file."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-log-"))
        self.addCleanup(shutil.rmtree, folder, True)
        logs = folder / "logs"
        logs.mkdir(mode=0o750)
        server = Server(settings={"log.file": f'"{logs}/posthorn.log"'}, one_process=one_process)
        self.addCleanup(server.close)
        rules = (ROOT / "deploy/debian/logrotate").read_text().replace("/var/log/posthorn/", f"{logs}/")
        rules = rules.replace("/run/posthorn/", f"{server.root}/var/run/")
        if os.geteuid() == 0:
            shutil.chown(logs, "posthorn", "posthorn")
            folder.chmod(0o755)
        else:
            rules = re.sub(r"(?m)^ *su .*\n", "", rules).replace("create 0640 posthorn posthorn", "create 0640")
        (folder / "rules").write_text(rules)

        def rotate():
            done = subprocess.run([shutil.which("logrotate", path="/usr/sbin:/usr/bin"), "-f", "-s", folder / "state", folder / "rules"],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

        return server, logs, rotate

    @staticmethod
    def lines(logs):
        found = []
        for file in logs.iterdir():
            text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            assert text == b"" or text.endswith(b"\n"), (file, text[-200:])
            found += text.splitlines()
        return found

    def rotate_under_load(self, one_process):
        server, logs, rotate = self.rotating(one_process)
        log, turns, sent, over = logs / "posthorn.log", 3, 0, threading.Event()
        names = {"lookup", "store", "queue", "edge"} if not one_process else {"all"}
        server.start()
        roles = server.roles()

        def load():
            nonlocal sent
            while not over.is_set():
                with server.smtp() as client:
                    for _ in range(10):
                        client.sendmail("friend@elsewhere.test", ["bob@example.org"], message("Logged", "x\r\n"))
                        sent += 1

        sender = threading.Thread(target=load)
        sender.start()
        try:
            for turn in range(1, turns + 1):
                rotate()
                # Each role goes on in the new file: those that may not open it, too.
                self.assertEqual(log.stat().st_mode & 0o777, 0o640)
                wait_until(lambda: b"event=log.reopened" in log.read_bytes())
                wait_until(lambda: all(f" event={event} ".encode() in log.read_bytes() for event in ("smtp.accepted", "queue.delivered", "store.delivered")))
                self.assertEqual((logs / "posthorn.log.1").read_bytes().count(b"event=log.reopened"), turn > 1)
        finally:
            over.set()
            sender.join()
        wait_until(lambda: sum(b" event=store.delivered " in line for line in self.lines(logs)) == sent)
        self.assertEqual(server.roles(), roles)
        self.assertEqual(server.stop(), 0)
        lines = self.lines(logs)
        for line in lines:
            self.assertRegex(line, LINE)
        for event in (b"smtp.accepted", b"queue.accepted", b"queue.delivered", b"store.delivered"):
            self.assertEqual(sum(b" event=" + event + b" " in line for line in lines), sent, event)
        self.assertEqual(sum(b" event=log.reopened " in line for line in lines), turns)
        # What SIGHUP meant before it means still.
        self.assertGreaterEqual(sum(b" event=generation.committed " in line for line in lines), 0 if one_process else turns)
        self.assertFalse([line for line in lines if b" event=generation.refused " in line])
        self.assertEqual({line.split(b" role=")[1].split()[0].decode() for line in lines} & names, names)

    @unittest.skipUnless(shutil.which("logrotate", path="/usr/sbin:/usr/bin"), "logrotate is not here")
    def test_logrotate_loses_no_line(self):
        self.rotate_under_load(one_process=False)

    @unittest.skipUnless(shutil.which("logrotate", path="/usr/sbin:/usr/bin"), "logrotate is not here")
    def test_logrotate_loses_no_line_of_one_process(self):
        self.rotate_under_load(one_process=True)

    def test_what_cannot_be_opened_anew_is_told_and_lines_go_on(self):
        for one_process in (False, True):
            with self.subTest(one_process=one_process):
                server, logs, _ = self.rotating(one_process)
                log, old = logs / "posthorn.log", logs / "posthorn.log.1"
                server.start()
                log.rename(old)
                log.mkdir()
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda: b"event=log.kept " in old.read_bytes())
                self.assertRegex(old.read_bytes(), rb'event=log.kept .*error="open [^"]*posthorn.log: Is a directory"')
                server.send(message("Logged", "marker kept\r\n"))
                server.wait_for("marker kept")
                wait_until(lambda: b"event=store.delivered " in old.read_bytes())
                log.rmdir()
                # A role that died meanwhile is given what the others write to.
                if not one_process:
                    os.kill(server.roles()["edge"], signal.SIGKILL)
                    wait_until(lambda: old.read_bytes().count(b"role=edge event=role.started ") == 2)
                    self.assertFalse(log.exists())
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda: log.exists() and b"event=log.reopened " in log.read_bytes())
                server.send(message("Logged", "marker anew\r\n"))
                server.wait_for("marker anew")
                wait_until(lambda: b"event=store.delivered " in log.read_bytes())
                self.assertEqual(old.read_bytes().count(b"event=store.delivered "), 1)
                self.assertEqual(server.stop(), 0)

    def test_a_log_that_could_not_be_opened_at_the_start_is_at_sighup(self):
        server, logs, _ = self.rotating()
        log = logs / "posthorn.log"
        log.symlink_to(log)
        server.start()  # to standard output
        self.assertIn("log: open ", server.log())
        server.send(message("Logged", "marker first\r\n"))
        wait_until(lambda: "event=store.delivered " in server.log())
        log.unlink()
        server.process.send_signal(signal.SIGHUP)
        wait_until(log.exists)
        server.send(message("Logged", "marker second\r\n"))
        wait_until(lambda: all(f"role={role} event={event} ".encode() in log.read_bytes()
                               for role, event in (("edge", "smtp.accepted"), ("queue", "queue.delivered"), ("store", "store.delivered"))))

    def test_a_truncated_log_goes_on_at_its_new_end(self):
        with tempfile.TemporaryDirectory(prefix="posthorn-log-") as folder:
            os.chmod(folder, 0o755)
            log = pathlib.Path(folder) / "posthorn.log"
            with Server(settings={"log.file": f'"{log}"'}) as server:
                def roles():
                    return set(re.findall(r"(?m)^ts=\S+ level=\w+ role=(\w+) event=(?:smtp.accepted|queue.delivered|store.delivered) ", log.read_text()))

                for marker in ("before", "after"):
                    server.send(message("Logged", f"marker {marker}\r\n"))
                    server.wait_for(f"marker {marker}")
                    wait_until(lambda: roles() == {"edge", "queue", "store"})
                    self.assertNotIn(b"\0", log.read_bytes())
                    kept = log.read_bytes()
                    os.truncate(log, 0)
                    self.assertIn(b"event=store.delivered", kept)


class BareNames(unittest.TestCase):
    """With several domains a login's bare name is none; programs of the machine still reach whom they name."""

    def test_two_domains(self):
        server = Server(domains=("example.org", "example.net"))
        server.append_map("aliases", "root@example.org alice@example.org\n")
        self.assertIn('default_domain = ""\n', server.conf.read_text())
        program = server.folder / "sendmail"
        program.symlink_to(pathlib.Path(POSTHORN).resolve())

        def login(user):
            with imaplib.IMAP4_SSL("localhost", server.port("imaps"), ssl_context=server.trust()) as client:
                return client.login(user, "pw-alice")[0]

        with server:
            self.assertEqual(login("alice@example.org"), "OK")
            self.assertRaises(imaplib.IMAP4.error, login, "alice")
            for to in ("alice", "root"):
                subprocess.run([program, to], input=f"Subject: from cron\n\nmarker to {to}\n", text=True, check=True,
                               env={**os.environ, "POSTHORN_CONFIG": str(server.conf)})
                server.wait_for(f"marker to {to}", "alice@example.org")
            with server.smtp() as client:
                client.ehlo()
                client.mail("friend@elsewhere.test")
                self.assertEqual(client.rcpt("postmaster")[0], 250)
                self.assertEqual(client.rcpt("alice")[0], 550)
                self.assertEqual(client.rcpt("alice@mx.example.org")[0], 554)  # a stranger's is not completed
            server.set("server.default_domain", '"example.net"')
            self.assertEqual(server.stop(), 0)
            server.add_user("alice@example.net")
            server.start()
            self.assertEqual(login("alice"), "OK")

    def test_what_comes_of_a_programs_mail_is_heard_of(self):
        script = {"RCPT TO:<no@": "550 5.1.1 nobody of that name"}
        with Smarthost(require_auth=False, script=script) as relay:
            server = Server(domains=("example.org", "example.net"), settings=relay.settings(**{"submission.programs": '"relay"'}))
            server.append_map("aliases", "root@example.org alice@example.org\ninfo@example.org bob@example.org\n")
            program = server.folder / "sendmail"
            program.symlink_to(pathlib.Path(POSTHORN).resolve())
            with server:
                def send(marker, *args, **popen):
                    subprocess.run([program, "-C", server.conf, *args, "no@far.test"], input=f"Subject: {marker}\n\nx\n", text=True, check=True, **popen)

                def told(marker, user):
                    bounce = server.wait_for(f"Subject: {marker}", user, seconds=40)
                    self.assertIn(b"nobody of that name", bounce)

                if os.geteuid() == 0:
                    # Its alias, in the first domain; an account that nobody's mailbox is: postmaster, who is the first mailbox.
                    send("root's own")
                    told("root's own", "alice")
                    send("nobody's own", user="nobody", group="nogroup", extra_groups=[])
                    told("nobody's own", "alice")
                    self.assertRegex(server.log(), "event=queue.bounce.redirected .*from=nobody@mx.example.org to=postmaster")
                    send("as an alias", "-f", "info@example.org")
                    told("as an alias", "bob")
                # A user's, too, who sends as an alias.
                server.submit("bob", message("by a user", "x\r\n", sender="info@example.org"), ["no@far.test"], sender="info@example.org")
                told("by a user", "bob")
                wait_until(lambda: server.queued() == [])
                self.assertNotIn("event=queue.bounce.dropped", server.log())
                # And what the next server says later comes to the same people; a stranger's own mail does not.
                with server.smtp() as client:
                    client.ehlo()
                    client.mail("")
                    self.assertEqual(client.rcpt("root@mx.example.org")[0], 250)
                    self.assertEqual(client.rcpt("alice@mx.example.org")[0], 250)
                    self.assertEqual(client.rcpt("nosuch@mx.example.org")[0], 550)
                    client.rset()
                    client.mail("friend@elsewhere.test")
                    self.assertEqual(client.rcpt("root@mx.example.org")[0], 554)

    def test_one_domain(self):
        self.assertIn('default_domain = "example.org"\n', Server().conf.read_text())


class Commands(unittest.TestCase):
    def test_their_exit_statuses_and_texts(self):
        server = Server()
        try:
            def told(*args):
                done = server.run(*args, check=False)
                return done.returncode, done.stdout, done.stderr

            self.assertEqual(told("status"), (3, "stopped: the server does not run\n              -> systemctl start posthorn, or posthorn serve\n", ""))
            code, _, text = told("stop")
            self.assertEqual((code, "not running" in text), (1, True), text)
            code, _, text = told("reload")
            self.assertEqual((code, "not running" in text), (1, True), text)
            self.assertEqual(told("check"), (0, "no faults\n", ""))
            server.start()
            code, text, _ = told("status")
            self.assertEqual((code, text.splitlines()[0]), (0, "everything works"))
            self.assertRegex(text, rf"(?m)^posthorn .* running since .*, pid {server.process.pid}$")
            self.assertRegex(text, r"(?m)^tables +generation \d+, 0 faults$")
            code, text, _ = told("reload")
            self.assertEqual(code, 0)
            self.assertRegex(text, r"^reloaded, generation \d+\n$")
            server.append_map("aliases", "nonsense\n")
            code, _, text = told("reload")
            self.assertEqual(code, 1)
            self.assertRegex(text, r"maps/aliases:\d+: ")
            self.assertIn("its last good form stays in use; all else is in use", text)
            self.assertEqual(told("stop")[0], 0)
            self.assertEqual(server.process.wait(1), 0)  # it is over when stop says so
            server.process = None
            self.assertEqual(told("status")[0], 3)
            for args in (["nonsense"], [], ["serve", "--nonsense"]):
                self.assertNotEqual(server.run(*args, check=False).returncode, 0, args)
            missing = server.run("check", "-c", "/nonexistent/posthorn.toml", config=False, check=False)
            self.assertEqual(missing.returncode, 78)
            self.assertIn("/nonexistent/posthorn.toml: there is no such file", missing.stderr)
        finally:
            server.close()

    def test_the_environment_names_the_configuration(self):
        server = Server()
        try:
            done = subprocess.run([POSTHORN, "check"], env={**os.environ, "POSTHORN_CONFIG": str(server.conf)},
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (0, "no faults\n"))
        finally:
            server.close()


class Refusals(unittest.TestCase):
    """Each fault is told with its place, by `check` and by `serve`. With one in posthorn.toml it does not run; with one in
    another file it serves what it can."""

    ROWS = [
        ("an unknown key", "conf", ("smtp.hops_max", "50\nhop_max = 3"), r"posthorn\.toml:\d+: unknown key \"hop_max\", did you mean \"hops_max\""),
        ("out of range", "conf", ("smtp.hops_max", "3"), r"posthorn\.toml:\d+: smtp.hops_max is 3, must be 10 to 1000"),
        ("a wrong type", "conf", ("smtp.require_helo", '"yes"'), r"posthorn\.toml:\d+: "),
        ("no TOML", "conf", ("smtp.hops_max", "= ="), r"posthorn\.toml:\d+: "),
        ("no address", "conf", ("listen.smtp", '["nonsense"]'), r"posthorn\.toml:\d+: listen\.smtp: \"nonsense\" is no address"),
        ("a port too high", "conf", ("listen.imaps", '["127.0.0.1:99999"]'), r"posthorn\.toml:\d+: listen\.imaps: "),
        ("no network", "conf", ("limits.exempt", '["10.0.0.0/99"]'), r"posthorn\.toml:\d+: limits\.exempt: "),
        ("no spamd address", "conf", ("filter.spamd", '"spamd"'), r"posthorn\.toml:\d+: filter\.spamd: "),
        ("a placeholder misspelt", "conf", ("store.location", '"{domain}/{usr}"'), r"posthorn\.toml:\d+: store\.location: "),
        ("one folder for all", "conf", ("store.location", '"{domain}"'), r"posthorn\.toml:\d+: store\.location: "),
        ("an alias to nowhere", "maps/aliases", "team@example.org\n", r"maps/aliases:\d+: "),
        ("an alias of an alias of itself", "maps/aliases", "a@example.org b@example.org\nb@example.org a@example.org\n", r"maps/aliases:\d+: "),
        ("a table that is away", "maps/mailboxes", None, r"maps/mailboxes:\d+: "),
        ("users without a hash", "conf/users", "alice@example.org\n", r"conf/users:1: "),
        ("no certificate", "tls/cert.pem", "nonsense\n", r"tls/cert\.pem:1: "),
        ("no key", "tls/key.pem", None, r"tls/key\.pem:1: "),
        ("a script with a fault", "sieve/default.sieve", "keep;\nnonsense \"\n", r"default\.sieve:\d+: "),
    ]

    def test_rows(self):
        server = Server()
        self.addCleanup(server.close)
        keep = server.folder / "keep"
        shutil.copytree(server.root, keep)
        owners = {str(path.relative_to(server.root)): (path.stat().st_uid, path.stat().st_gid) for path in server.root.rglob("*")}
        for name, where, value, expected in self.ROWS:
            with self.subTest(name):
                if where == "conf":
                    server.set(*value)
                elif value is None:
                    (server.root / where).unlink()
                else:
                    (server.root / where).write_text(value)
                done = server.run("check", check=False)
                self.assertIn(done.returncode, (1, 78), name)
                self.assertRegex(done.stderr, expected)
                if where == "conf":
                    code, text = fails_to_start(server)
                    self.assertEqual(code, 78, text)
                    self.assertRegex(text, expected)
                    self.assertNotIn("posthorn: ready", text)
                    self.assertTrue(port_is_free(server.port("smtp")))
                else:
                    before = server.log_path.stat().st_size if server.log_path.exists() else 0
                    server.start()
                    self.assertRegex(server.log(before), expected)
                    self.assertEqual(server.run("reload", check=False).returncode, 1)
                    server.stop()
            place = "conf/posthorn.toml" if where == "conf" else where
            (server.root / place).unlink(missing_ok=True)
            shutil.copy2(keep / place, server.root / place)
            shutil.chown(server.root / place, *owners[place])
        self.assertEqual(server.run("check").stdout, "no faults\n")
        server.start()

    def test_a_port_that_is_taken_is_named(self):
        server = Server()
        self.addCleanup(server.close)
        with socket.socket() as other:
            other.bind(("127.0.0.1", server.port("smtp")))
            other.listen(1)
            code, text = fails_to_start(server)
            self.assertNotEqual(code, 0)
            self.assertIn(f"listen.smtp: port {server.port('smtp')} is taken by python3", text)
        server.start()

    def test_files_that_others_can_read_or_change(self):
        server = Server()
        self.addCleanup(server.close)
        for path, mode, what in (("var/spool", 0o777, "can change it"), ("var/mail", 0o707, "can change it"), ("maps", 0o777, "can change it"),
                                 ("conf/posthorn.toml", 0o666, "can change it"), ("conf/users", 0o666, "can change it"),
                                 ("tls/key.pem", 0o644, "can read this secret"), ("sieve", 0o777, "can change it")):
            with self.subTest(path):
                place = server.root / path
                good = place.stat().st_mode & 0o7777
                place.chmod(mode)
                for code, text in (fails_to_start(server), fails_to_start(server, "--one-process")):
                    self.assertEqual(code, 78)
                    self.assertIn(f"{place}: every account of this machine {what} (mode {mode:04o})", text)
                done = server.run("check", check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(str(place), done.stderr)
                place.chmod(good)
        if os.geteuid() == 0:
            spool = server.root / "var/spool"
            owner = spool.stat().st_uid
            os.chown(spool, 12345, -1)
            code, text = fails_to_start(server)
            self.assertEqual(code, 78)
            self.assertIn("belongs to account number 12345", text)
            os.chown(spool, owner, -1)
        server.start()


class Log(unittest.TestCase):
    def mail_flows(self, server, marker):
        server.send(message("Flows", marker + "\r\n"))
        server.wait_for(marker)

    def test_a_log_pipe_that_goes_away_does_not_stop_mail(self):
        server = Server()
        try:
            process = subprocess.Popen(server.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
            server.process = process
            for line in process.stdout:
                if b"posthorn: ready" in line:
                    break
            roles = server.roles()
            process.stdout.close()
            for i in range(3):
                self.mail_flows(server, f"marker without a log {i}")
            server.run("reload")
            process.send_signal(signal.SIGHUP)
            self.mail_flows(server, "marker after the reload")
            self.assertEqual(server.roles(), roles)
            self.assertEqual(server.stop(), 0)
        finally:
            server.close()

    def test_a_log_pipe_that_nobody_reads_does_not_stop_mail(self):
        for one_process in (False, True):
            with self.subTest(one_process=one_process):
                server = Server(one_process=one_process)
                process = subprocess.Popen(server.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
                try:
                    server.process = process
                    for line in process.stdout:
                        if b"posthorn: ready" in line:
                            break
                    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
                    for i in range(20):
                        server.send(message("Flows", f"marker unread {i} end\r\n"))
                    for i in range(20):
                        server.wait_for(f"marker unread {i} end")
                    # Read again, it tells how much is missing.
                    os.set_blocking(process.stdout.fileno(), False)
                    seen = b""

                    def told():
                        nonlocal seen
                        with server.smtp():
                            pass
                        while piece := process.stdout.read():
                            seen += piece
                        return b"event=log.dropped" in seen

                    wait_until(told)
                    self.assertRegex(seen, rb"level=warning role=\w+ event=log\.dropped s=- q=- lines=[1-9]\d*\n")
                    self.assertEqual(server.stop(), 0)
                finally:
                    server.close()
                    process.stdout.close()

    def test_started_with_nothing_open(self):
        for one_process in (False, True):
            with self.subTest(one_process=one_process):
                server = Server(one_process=one_process)
                try:
                    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *server.command()]
                    server.process = subprocess.Popen(command, start_new_session=True)
                    wait_until(lambda: server.run("status", check=False).returncode == 0, 60)
                    wait_until(lambda: not port_is_free(server.port("smtp")))
                    self.mail_flows(server, "marker without descriptors")
                    self.assertEqual((server.root / "var/run/posthorn.pid").read_text(), f"{server.process.pid}\n")
                    self.assertEqual(server.stop(), 0)
                finally:
                    server.close()

    def test_a_full_disk_of_the_log_does_not_stop_mail(self):
        server = Server(settings={"log.file": '"/dev/full"'})
        try:
            server.start()
            self.mail_flows(server, "marker on a full disk")
            self.assertEqual(server.stop(), 0)
        finally:
            server.close()


if __name__ == "__main__":
    unittest.main()
