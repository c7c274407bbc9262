"""deploy/roundcube in a temporary folder, and the headless Chromium that looks at it and at the web pages.

nginx, PHP and Chromium run on loopback, without root. POSTHORN_SHOTS=DIR keeps pictures of what the browser showed.
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
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.append("/usr/lib/python3/dist-packages")  # python3-selenium, for whichever Python 3 runs this
from support import ROOT, SHOTS, free_port, wait_until

MISSING = [path for path in ("/usr/bin/chromium", "/usr/bin/chromedriver", "/usr/sbin/nginx",
                             "/var/lib/roundcube/public_html/index.php") if not os.path.exists(path)]
try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support import expected_conditions
    from selenium.webdriver.support.ui import Select, WebDriverWait
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
                      "--imap", f"localhost:{server.port('imaps')}", "--smtp", f"localhost:{server.port('submissions')}",
                      "--sieve", f"localhost:{server.port('managesieve')}"]
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
        if SHOTS:
            pathlib.Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(pathlib.Path(SHOTS) / f"{name}.png"))

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

    def save(self):
        self.find("button.submit, .formbuttons .submit").click()

    def make_rule(self, name, word, folder):
        """In the settings: mail whose subject has the word goes to the folder."""
        self.driver.get(self.webmail.url("/?_task=settings&_action=plugin.managesieve"))
        self.find("#layout-content a.create:not(.disabled)").click()
        self.until(expected_conditions.frame_to_be_available_and_switch_to_it((By.ID, "filter-box")), "the form")
        self.find("input[name=_name]").send_keys(name)
        self.find("input[name^='_rule_target[0]']").send_keys(word)
        Select(self.find("select[name='_action_mailbox[0]']")).select_by_value(folder)
        self.shot("rule")
        self.save()
        self.driver.switch_to.default_content()
        self.until(lambda driver: name in driver.find_element(By.ID, "filterslist").text, "the rule in the list")

    def make_vacation(self, subject, text):
        self.driver.get(self.webmail.url("/?_task=settings&_action=plugin.managesieve-vacation"))
        self.find("#vacation_subject").send_keys(subject)
        self.find("#vacation_reason").send_keys(text)
        Select(self.find("#vacation_status")).select_by_value("on")
        self.shot("vacation")
        self.save()
        self.until(lambda driver: "saved successfully" in driver.page_source.lower(), "that the vacation is saved")
