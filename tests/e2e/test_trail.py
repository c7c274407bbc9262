"""The trail is never in the way of mail: killed again and again, on a full disk, switched off, given rubbish. What was kept
stays whole, and goes on. What a role may not say is not believed."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import unittest

from support import Server, message, wait_until


def trail_folder(server):
    return server.root / "var" / "state" / "trail"


def records(server, where="1=1"):
    """Each kept record: (source, event, queue id, text)."""
    database = sqlite3.connect(trail_folder(server) / "trail.db")
    try:
        rows = database.execute(f"SELECT source, event, queue_id, text FROM records WHERE {where} ORDER BY id").fetchall()
        return [tuple(value.decode() if isinstance(value, bytes) else value for value in row) for row in rows]
    finally:
        database.close()


def events_of(server, marker):
    """The events of the mail whose Message-ID holds the marker."""
    ids = {row[2] for row in records(server, f"CAST(text AS TEXT) LIKE '%{marker}%' AND queue_id <> x''")}
    return [row[1] for row in records(server) if row[2] in ids]


def finished(server):
    """The markers of all mails whose end is kept."""
    all_records = records(server)
    ended = {row[2] for row in all_records if row[1] == "queue.removed"}
    return {marker for row in all_records if row[2] in ended for marker in re.findall(r"message_id=<(.*)@far\.test>", row[3])}


def marked(marker, **headers):
    return re.sub(rb"Message-ID: .*", f"Message-ID: <{marker}@far.test>".encode(), message("A mail", f"{marker} ends\r\n", **headers), count=1)


def send(server, marker):
    server.send(marked(marker))


class Trail(unittest.TestCase):
    def test_what_a_mail_meets_is_kept_under_its_id(self):
        with Server() as server:
            send(server, "one")
            wait_until(lambda: "queue.removed" in events_of(server, "one"))
            wait_until(lambda: {"store.delivered", "smtp.accepted"} <= set(events_of(server, "one")))
            self.assertEqual([event for event in events_of(server, "one") if event.startswith("queue.")],
                             ["queue.accepted", "queue.scanned", "queue.delivered", "queue.removed"])
            self.assertEqual(os.stat(trail_folder(server)).st_mode & 0o777, 0o700)
            self.assertNotIn("pw-", str(records(server)))

    def test_a_stop_loses_nothing(self):
        server = Server()
        try:
            server.start()
            for number in range(30):
                send(server, f"stop{number}")
            wait_until(lambda: not server.queued())
            server.stop()
            self.assertEqual({f"stop{number}" for number in range(30)} - finished(server), set())
        finally:
            server.close()

    def test_killed_it_comes_back_and_mail_does_not_wait(self):
        with Server() as server:
            sent, over = [], threading.Event()

            def load():
                while not over.is_set():
                    marker = f"kill{len(sent)}"
                    send(server, marker)
                    sent.append(marker)
                    time.sleep(0.02)

            thread = threading.Thread(target=load)
            thread.start()
            try:
                for _ in range(3):
                    wait_until(lambda: "trail" in server.roles())
                    before = len(sent)
                    wait_until(lambda: len(sent) > before + 5)
                    os.kill(server.roles()["trail"], signal.SIGKILL)
                    before = len(sent)
                    wait_until(lambda: len(sent) > before + 5)
            finally:
                over.set()
                thread.join()
            wait_until(lambda: not server.queued())
            arrived = "\n".join(raw.decode() for raw in server.fetch_all())
            self.assertEqual([marker for marker in sent if f"{marker} ends" not in arrived], [])
            # Told again to the one that came after it: what was told and not taken is not lost either.
            wait_until(lambda: set(sent) <= finished(server), 60, 0.5)
            self.assertNotIn("event=trail.dropped", server.log())
            self.assertNotIn("event=trail.replaced", server.log())
            self.assertEqual(sqlite3.connect(trail_folder(server) / "trail.db").execute("PRAGMA integrity_check").fetchall(), [("ok",)])

    def test_killed_with_everything_the_story_goes_on(self):
        server = Server(settings={"relay.relayhost": '"[127.0.0.1]:9"'})
        try:
            server.start()
            server.submit("alice", marked("out", to="x@far.test"), "x@far.test")
            wait_until(lambda: "queue.waits" in events_of(server, "out@"))
            server.kill()
            server.start()
            wait_until(lambda: "queue.found" in events_of(server, "out@"))
            server.run("queue", "delete", *[row[2] for row in records(server, "event = 'queue.found'")][:1], check=False)
        finally:
            server.close()

    @unittest.skipUnless(os.geteuid() == 0, "mounts a small file system")
    def test_on_a_full_disk_mail_goes_its_way(self):
        server = Server(settings={"queue.free_min": "0"})
        folder = trail_folder(server)
        folder.mkdir(parents=True, exist_ok=True)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", str(folder)], capture_output=True, text=True)
        if mount.returncode != 0:
            server.close()
            self.skipTest(f"no file system can be mounted: {mount.stderr.strip()}")
        try:
            server.start()
            number = 0
            while "event=trail.paused" not in server.log():
                for _ in range(20):
                    send(server, f"full{number}")
                    number += 1
                self.assertLess(number, 2000)
            send(server, "behind")
            self.assertIsNotNone(server.wait_for("behind ends"))
            wait_until(lambda: not server.queued())
            self.assertEqual(server.run("status", check=False).returncode, 0)  # nobody is woken for it
            subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
            wait_until(lambda: "event=trail.resumed" in server.log(), 60)
            wait_until(lambda: "queue.removed" in events_of(server, "behind"))
        finally:
            server.stop()
            subprocess.run(["umount", "-l", str(folder)], check=False)
            server.close()

    def test_no_role_is_believed_beyond_its_own(self):
        with Server() as server:
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(str(server.root / "var" / "run" / "trail-edge.sock"))
            stream = peer.makefile("rw", newline="\n")

            def tell(record):
                stream.write("7\ttell\tr=" + record.replace("\n", "\\n") + "\n")
                stream.flush()
                return stream.readline().strip().split("\t")[1]

            self.assertEqual(tell("1796079905490 queue.delivered S1 FORGED\nto=a@b.test"), "refused")
            self.assertEqual(tell("1796079905490 auth.succeeded S1 -\nuser=alice@example.org"), "refused")
            self.assertEqual(tell("rubbish"), "refused")
            self.assertEqual(tell("1796079905490 smtp.rcpt.refused S1 -\nrcpt=a@b.test"), "ok")
            self.assertEqual([row[0] for row in records(server, "session = CAST('S1' AS BLOB)")], ["edge"])
            self.assertEqual(records(server, "queue_id = CAST('FORGED' AS BLOB)"), [])
            self.assertIn("event=trail.forged", server.log())
            stream.close()
            peer.close()

    def test_switched_off_it_is_not_there(self):
        with Server(settings={"trail.enabled": "false"}) as server:
            send(server, "off")
            self.assertIsNotNone(server.wait_for("off ends"))
            self.assertNotIn("trail", server.roles())
            self.assertFalse((trail_folder(server) / "trail.db").exists())
            self.assertRegex(server.run("status").stdout, r"(?m)^trail +off")

    def test_in_one_process_it_is_kept_too(self):
        with Server(one_process=True) as server:
            send(server, "single")
            wait_until(lambda: {"edge", "queue", "store"} <= {row[0] for row in records(server)})
            self.assertIn("queue.accepted", events_of(server, "single"))

    def test_what_is_old_goes(self):
        with Server(settings={"trail.keep": '"1h"'}) as server:
            send(server, "young")
            wait_until(lambda: "queue.removed" in events_of(server, "young"))
            server.stop()
            database = sqlite3.connect(trail_folder(server) / "trail.db")
            with database:
                database.execute("UPDATE records SET at = at - 7200000")
            database.close()
            server.start()
            wait_until(lambda: records(server) == [])


if __name__ == "__main__":
    unittest.main()
