"""What the profiles' tests speak with: telnet-like dialogs over a socket or through `openssl s_client`."""

import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import Wire


class Dialog(Wire):
    """A line at a time, as a person types them; each must end with CRLF."""

    def read(self):
        """One reply, all its lines, without the line ends."""
        reply = []
        while True:
            line = self.lines.readline()
            assert line, f"the server hung up after {reply}"
            assert line.endswith(b"\r\n"), line
            reply.append(line[:-2].decode())
            if reply[-1][3:4] != "-":
                return "\n".join(reply)

    def read_block(self):
        """The lines up to a single dot, as POP3's multi-line answers have them."""
        lines = []
        while True:
            line = self.lines.readline()
            assert line.endswith(b"\r\n"), line
            if line == b".\r\n":
                return lines
            lines.append(line[:-2].decode())

    def send(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def say(self, line):
        """The whole reply to a line."""
        self.send(line)
        return self.read()


class OpenSsl(Dialog):
    """`openssl s_client -crlf -quiet`, as the recipes call it."""

    def __init__(self, port, ca, starttls=None):
        command = ["openssl", "s_client", "-crlf", "-quiet", "-verify_return_error", "-CAfile", str(ca), "-servername", "localhost",
                   "-connect", f"localhost:{port}"]
        if starttls:
            command += ["-starttls", starttls]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.lines = self.process.stdout
        self.watch = threading.Timer(60, self.process.kill)  # a server that says nothing ends the test, too
        self.watch.start()

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def close(self):
        self.watch.cancel()
        self.process.stdin.close()
        self.process.kill()  # with -quiet it does not end with its input
        self.process.wait(20)
        self.process.stdout.close()
