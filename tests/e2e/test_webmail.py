"""Debian's Roundcube, set up by deploy/roundcube, in a real browser: log in, read a mail, send one, and it arrives.

nginx, PHP and Chromium run on loopback with their state in a temporary folder, without root. POSTHORN_SHOTS=DIR keeps
pictures of what the browser showed.
"""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.append("/usr/lib/python3/dist-packages")  # python3-selenium, for whichever Python 3 runs this
from support import ROOT, Server, free_port, message, server_tls, wait_until

MISSING = [path for path in ("/usr/bin/chromium", "/usr/bin/chromedriver", "/usr/sbin/nginx",
                             "/var/lib/roundcube/public_html/index.php") if not os.path.exists(path)]
try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support import expected_conditions
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError as error:
    MISSING.append(str(error))


class Webmail:
    """deploy/roundcube in a folder of its own, as www-data when the test is root."""

    def __init__(self, server, launcher=None, **options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-webmail-"))
        self.port = free_port()
        self.process = None
        scripts = self.folder / "scripts"
        scripts.mkdir()
        for name in ("setup", "serve"):
            shutil.copy(ROOT / "deploy" / "roundcube" / name, scripts / name)
        for name in ("cert.pem", "key.pem"):
            shutil.copy(server.root / "tls" / name, self.folder / name)
        self.state = self.folder / "state"
        self.become = []
        if os.geteuid() == 0:
            account = pwd.getpwnam("www-data")
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)
            self.become = ["setpriv", "--reuid", "www-data", "--regid", "www-data", "--clear-groups", "--"]
        self.become = launcher or self.become
        self.setup = [*self.become, str(scripts / "setup"), str(self.state), "--cert", str(self.folder / "cert.pem"),
                      "--key", str(self.folder / "key.pem"), "--listen", f"127.0.0.1:{self.port}",
                      "--imap", f"localhost:{server.port('imaps')}", "--smtp", f"localhost:{server.port('submissions')}"]
        for key, value in options.items():
            self.setup += [f"--{key}", value]
        self.run_setup()

    def run_setup(self):
        done = subprocess.run(self.setup, capture_output=True, text=True, timeout=60, cwd=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr

    def url(self, path="/"):
        return f"https://localhost:{self.port}{path}"

    def get(self, path="/"):
        """Status and text, the certificate verified."""
        context = ssl.create_default_context(cafile=str(self.folder / "cert.pem"))
        try:
            with urllib.request.urlopen(self.url(path), context=context, timeout=30) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([*self.become, str(self.folder / "scripts" / "serve"), str(self.state)],
                                            stdout=log, stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True)

        def listening():
            assert self.process.poll() is None, self.log()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(listening, 30)
        try:
            wait_until(lambda: self.process.poll() is not None or (self.state / "run" / "php.sock").exists(), 30)
        finally:
            assert self.process.poll() is None, self.log()
        return self

    def stop(self):
        if self.process is None:
            return None
        self.process.terminate()
        try:
            return self.process.wait(30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Browser:
    """A headless Chromium and the few things one does in Roundcube's Elastic skin."""

    def __init__(self, webmail):
        self.webmail = webmail
        self.folder = tempfile.mkdtemp(prefix="posthorn-browser-")
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en-US",
                         "--window-size=1280,800", f"--user-data-dir={self.folder}"):
            options.add_argument(argument)
        options.set_capability("acceptInsecureCerts", True)  # Webmail.get() is who verifies it
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(60)

    def close(self):
        with contextlib.suppress(WebDriverException):
            self.driver.quit()
        shutil.rmtree(self.folder, ignore_errors=True)

    def until(self, condition, what, seconds=40):
        try:
            return WebDriverWait(self.driver, seconds, ignored_exceptions=[StaleElementReferenceException]).until(condition)
        except WebDriverException as error:
            self.shot("failed")
            page = self.driver.find_element(By.TAG_NAME, "body").text[:1000]
            raise AssertionError(f"{what}: {error}\n{self.driver.current_url}\n{page}\n{self.webmail.log()[-3000:]}") from None

    def find(self, css, visible=True):
        kind = expected_conditions.element_to_be_clickable if visible else expected_conditions.presence_of_element_located
        return self.until(kind((By.CSS_SELECTOR, css)), css)

    def shot(self, name):
        if folder := os.environ.get("POSTHORN_SHOTS"):
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(pathlib.Path(folder) / f"webmail-{name}.png"))

    def login(self, user, password):
        self.driver.get(self.webmail.url())
        self.find("#rcmloginuser").send_keys(user)
        self.find("#rcmloginpwd").send_keys(password)
        self.shot("login")
        self.find("#rcmloginsubmit").click()

    def rows(self):
        return [row.text for row in self.driver.find_elements(By.CSS_SELECTOR, "#messagelist tbody tr.message")]

    def open(self, subject):
        def click(driver):
            for row in driver.find_elements(By.CSS_SELECTOR, "#messagelist tbody tr.message"):
                if subject in row.text:
                    row.find_element(By.CSS_SELECTOR, "td.subject span.subject").click()
                    return True
            return False

        self.until(click, f"a row with {subject}")
        self.until(expected_conditions.frame_to_be_available_and_switch_to_it((By.ID, "messagecontframe")), "the message")
        text = self.until(lambda driver: driver.find_element(By.ID, "messagebody").text, "the message's text")
        header = self.driver.find_element(By.ID, "message-header").text
        self.driver.switch_to.default_content()
        return header, text

    def compose(self, to, subject, body):
        self.driver.get(self.webmail.url("/?_task=mail&_action=compose"))
        self.find("#compose_to .recipient-input input, ul.recipient-input input").send_keys(to + ",")
        self.find("#compose-subject").send_keys(subject)
        self.find("#composebody").send_keys(body)
        self.shot("compose")
        self.find("button.send, a.send").click()
        self.until(lambda driver: "_action=compose" not in driver.current_url, "the way back to the list")


@unittest.skipIf(MISSING, f"{', '.join(MISSING)}: scripts/setup --full installs it")
class RoundcubeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.webmail = Webmail(cls.server, domain="example.org")
        cls.addClassCleanup(cls.webmail.__exit__)
        cls.webmail.start()

    def browser(self):
        browser = Browser(self.webmail)
        self.addCleanup(browser.close)
        return browser

    def test_a_mail_is_read_and_one_is_sent(self):
        self.server.send(message("Grüße for bob", "A mail to read.\r\nSecond line.\r\n", sender="friend@elsewhere.test",
                                 Content_Type="text/plain; charset=utf-8"))
        self.server.wait_for("A mail to read")
        browser = self.browser()
        browser.login("bob@example.org", "pw-bob")
        browser.until(lambda _: browser.rows(), "the list")
        browser.shot("list")
        header, text = browser.open("for bob")
        browser.shot("message")
        self.assertIn("friend@elsewhere.test", header)
        self.assertIn("A mail to read.", text)
        folders = browser.find("#mailboxlist").text
        for folder in ("Inbox", "Drafts", "Sent", "Junk", "Trash"):
            self.assertIn(folder, folders)

        browser.compose("alice@example.org", "From the webmail", "Written in a browser.")
        raw = self.server.wait_for("From the webmail", "alice", seconds=40)
        self.assertIn(b"Written in a browser.", raw)
        self.assertIn(b"From: bob@example.org", raw)
        self.server.wait_for("Written in a browser.", "bob", "Sent")
        browser.driver.get(browser.webmail.url("/?_task=mail&_mbox=Sent"))
        browser.until(lambda _: any("From the webmail" in row for row in browser.rows()), "Sent holds it")

    def test_a_wrong_password_is_told(self):
        browser = self.browser()
        browser.login("bob@example.org", "wrong")
        browser.until(lambda driver: "Login failed" in driver.page_source, "that the login failed")
        self.assertEqual(browser.rows(), [])

    def test_only_what_a_browser_needs_is_served(self):
        self.assertEqual(self.webmail.get("/")[0], 200)
        self.assertEqual(self.webmail.get("/skins/elastic/styles/styles.min.css")[0], 200)
        for path in ("/config/config.inc.php", "/data/roundcube.db", "/installer/", "/SQL/sqlite.initial.sql",
                     "/program/lib/Roundcube/bootstrap.php", "/.htaccess", "/logs/errors.log", "/bin/"):
            self.assertEqual(self.webmail.get(path)[0], 404, path)

    def test_a_server_that_cannot_be_verified_gets_no_password(self):
        with tempfile.TemporaryDirectory() as folder:
            _, authority = server_tls(folder)
            os.chmod(folder, 0o755)
            os.chmod(authority, 0o644)
            with Webmail(self.server, trust=str(authority)) as other:
                browser = Browser(other)
                self.addCleanup(browser.close)
                before = self.server.log().count("event=auth")
                browser.login("bob@example.org", "pw-bob")
                browser.until(lambda driver: "Connection to storage server failed" in driver.page_source, "the refusal")
                self.assertEqual(self.server.log().count("event=auth"), before)

    def test_set_up_again_keeps_key_and_data(self):
        key = (self.webmail.state / "config" / "des_key").read_text()
        size = (self.webmail.state / "data").stat().st_mtime
        self.webmail.run_setup()
        self.assertEqual((self.webmail.state / "config" / "des_key").read_text(), key)
        self.assertEqual((self.webmail.state / "data").stat().st_mtime, size)
        self.assertEqual(self.webmail.get("/")[0], 200)


    def test_it_takes_a_renewed_certificate_and_ends_when_asked_or_when_a_part_ends(self):
        webmail = Webmail(self.server)
        try:
            self.assertEqual(webmail.start().stop(), 0)
            renewed = webmail.folder / "renewed"
            renewed.mkdir()
            server_tls(renewed)
            for name in ("cert", "key"):
                (renewed / f"localhost.{name}.pem").rename(renewed / f"{name}.pem")
            webmail.start()
            first = ssl.get_server_certificate(("localhost", webmail.port))
            for name in ("cert.pem", "key.pem"):  # renewed
                (webmail.folder / name).write_bytes((renewed / name).read_bytes())
            webmail.process.send_signal(signal.SIGHUP)
            wait_until(lambda: ssl.get_server_certificate(("localhost", webmail.port)) != first)
            os.kill(int((webmail.state / "run" / "nginx.pid").read_text()), signal.SIGKILL)
            self.assertNotIn(webmail.process.wait(30), (0, None))
        finally:
            webmail.__exit__()


if __name__ == "__main__":
    unittest.main()
