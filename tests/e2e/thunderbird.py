"""Debian's Thunderbird without a window, in a profile of its own, and the few things one does in it.

It is told what to do over Marionette, the protocol by which Mozilla tests its programs: JSON with its length before it, over a
loopback port. The scripts run in the program itself and call what its windows call: the account is set up by the code of
"New account" from what the server's autoconfiguration says, a mail is written in its compose window, read in its message pane.
That is no interface that Thunderbird keeps: what is called here is as version 153 has it, and 140 has not.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from support import wait_until

MISSING = [name for name in ("thunderbird", "certutil") if not shutil.which(name)]

# At the start nothing is fetched, asked, offered or told, and no page is shown.
QUIET = {
    "app.donation.eoy.version.viewed": 999, "app.normandy.enabled": False, "app.update.auto": False,
    "datareporting.healthreport.uploadEnabled": False, "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True, "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False, "extensions.update.enabled": False, "intl.locale.requested": "en-US",
    "mail.biff.play_sound": False, "mail.biff.show_alert": False, "mail.chat.enabled": False, "mail.inappnotifications.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True, "mail.rights.version": 1, "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True, "mail.winsearch.firstRunDone": True, "mailnews.auto_config_url": "",
    "mailnews.start_page.enabled": False, "mailnews.start_page_override.mstone": "ignore",
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:9/", "toolkit.telemetry.enabled": False, "toolkit.telemetry.server": "",
    # What it says in SMTP goes to its output; what it says in IMAP goes where MOZ_LOG_FILE says.
    "devtools.console.stdout.chrome": True, "mailnews.smtp.loglevel": "Debug",
}

# What every script may use. `settled` turns Thunderbird's URL listeners into a promise of the status.
PRELUDE = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const main = Services.wm.getMostRecentWindow("mail:3pane");
const until = async (what, look, seconds = 20) => {
  for (const end = Date.now() + seconds * 1000; ; await new Promise(done => main.setTimeout(done, 25))) {
    const value = look();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
  }
};
const settled = run => new Promise((done, fail) => {
  main.setTimeout(() => fail(new Error("not within 20 s: the end of a request")), 20000);
  run({ QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]), OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { done(status); } });
});
const accountOf = address => MailServices.accounts.accounts.find(account => account.defaultIdentity?.email == address);
const pathOf = folder => (folder.parent.isServer ? "" : pathOf(folder.parent) + "/") + folder.name;
const foldersOf = address => accountOf(address).incomingServer.rootFolder.descendants;
const folderOf = (address, path) => foldersOf(address).find(folder => pathOf(folder) == path)?.QueryInterface(Ci.nsIMsgImapMailFolder);
const copied = run => new Promise((done, fail) => run({
  QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]), onStartCopy() {}, onProgress() {}, setMessageKey() {},
  getMessageId() { return null; }, onStopCopy(status) { Components.isSuccessCode(status) ? done() : fail(new Error(`not copied: ${status}`)); }}));
const mailOf = (folder, subject) => [...folder.messages].find(mail => mail.mime2DecodedSubject == subject);
// An update that is asked for while another runs is left out by Thunderbird, and nobody told: so it is asked for again.
const updated = (folder, what, look) => {
  let asked = 0;
  return until(`${what} in ${folder.name}`, () => {
    if (Date.now() > asked + 2000) {
      asked = Date.now();
      folder.updateFolder(main.msgWindow);
    }
    return look();
  });
};
const arrived = (folder, subject) => updated(folder, subject, () => mailOf(folder, subject));
"""


class Marionette:
    """The driver's side of the protocol."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.settimeout(90)  # a script's own limit is reached before
        self.stream = self.socket.makefile("rb")
        self.number = 0
        self._read()  # it says what it is

    def _read(self):
        size = b""
        while (byte := self.stream.read(1)) != b":":
            if not byte.isdigit():
                raise ConnectionError("Thunderbird ended")
            size += byte
        return json.loads(self.stream.read(int(size)))

    def call(self, name, **parameters):
        self.number += 1
        said = json.dumps([0, self.number, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(said), said))
        _, number, error, result = self._read()
        assert number == self.number, "an answer to another question"
        if error:
            raise AssertionError(f"{name}: {error['error']}: {error['message']}")
        return result

    def close(self):
        self.stream.close()
        self.socket.close()


class Thunderbird:
    """names: hosts that are this machine, where port 80 and 443 are the server's; authority: a file that it trusts."""

    def __init__(self, server, authority=None, names=("mx.example.org", "autoconfig.example.org")):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-thunderbird-"))
        self.server = server
        self.process = self.driver = None
        self.profile = self.folder / "profile"
        self.profile.mkdir()
        prefs = {**QUIET, "marionette.port": 0, "network.dns.localDomains": ",".join(names),
                 "network.socket.forcePort": f"80={server.port('http')};443={server.port('https')}"}
        (self.profile / "user.js").write_text("".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in prefs.items()))
        if authority:
            for words in (["-N", "--empty-password"], ["-A", "-n", "posthorn", "-t", "C,,", "-a", "-i", str(authority)]):
                subprocess.run(["certutil", "-d", f"sql:{self.profile}", *words], check=True, capture_output=True, timeout=60)

    def start(self):
        env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS")}
        env.update(HOME=str(self.folder), TMPDIR=str(self.folder), XDG_RUNTIME_DIR=str(self.folder), MOZ_CRASHREPORTER_DISABLE="1",
                   MOZ_LOG="IMAP:4,SMTP:5,timestamp,sync", MOZ_LOG_FILE=str(self.folder / "protocol"))
        with open(self.folder / "output", "wb") as output:
            self.process = subprocess.Popen(
                ["thunderbird", "--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile", str(self.profile)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=self.folder, start_new_session=True)
        said = self.profile / "MarionetteActivePort"

        def listening():
            assert self.process.poll() is None, "Thunderbird ended\n" + (self.folder / "output").read_text(errors="replace")[-3000:]
            return said.exists() and said.read_text().strip()

        self.driver = Marionette(int(wait_until(listening, 60)))
        self.driver.call("WebDriver:NewSession", capabilities={})
        self.driver.call("WebDriver:SetTimeouts", script=60000)
        self.driver.call("Marionette:SetContext", value="chrome")
        return self

    def stop(self):
        if self.process is None:
            return
        try:
            with contextlib.suppress(AssertionError, OSError, AttributeError):
                self.driver.call("Marionette:Quit", flags=["eForceQuit"])
                self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
            if self.driver:
                self.driver.close()
            self.process = self.driver = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def said(self, marker=""):
        """The lines of its own record of what it and the server said to each other that hold the marker, IMAP before SMTP."""
        lines = [line for path in sorted(self.folder.glob("protocol*")) for line in path.read_text(errors="replace").splitlines()]
        lines += [line for line in (self.folder / "output").read_text(errors="replace").splitlines() if "mailnews.smtp" in line]
        return [line for line in lines if marker in line]

    def refusals(self):
        """What the server answered with NO, BAD, 4xx or 5xx."""
        return [line for line in self.said() if re.search(r'(CreateNewLineFromSocket: \d+ (NO|BAD) |mailnews\.smtp: "S: [45])', line)]

    def is_idle(self, address, path="INBOX"):
        """Whether a connection of the account waits in IDLE for what happens in the folder."""
        own = {line.split("/IMAP ")[1].split(":")[0] for line in self.said("= currentUrl") if f"imap://{address.replace('@', '%40')}@" in line}
        last = {line.split("/IMAP ")[1].split(":")[0]: line for line in self.said(f":S-{path}:")}
        return any("idle mode async waiting" in last[one] for one in own & last.keys())

    def run(self, script, *args):
        """The value that the script, the body of an async function of args, returns."""
        whole = ("const done = arguments[arguments.length - 1]; (async args => {" + PRELUDE + script +
                 "})([...arguments]).then(value => done({value}), error => done({error: `${error}\\n${error.stack ?? ''}`}));")
        try:
            result = self.driver.call("WebDriver:ExecuteAsyncScript", script=whole, args=list(args), sandbox="system")["value"]
            if result is None:
                raise AssertionError("a dialog opened")
            if "error" in result:
                raise AssertionError(result["error"])
            return result.get("value")
        except AssertionError as error:
            dialog = "\n".join(self.said("IMAP")[-60:] + self.said("mailnews.smtp")[-20:])
            raise AssertionError(f"{error}\n{dialog}\n{self.server.log()[-4000:]}") from None

    # What one does in it

    def add_account(self, address, password, starttls=False, host=None):
        """By the domain's autoconfiguration, as "New account" does: "" if the server let it in, or what was said and shown instead.

        starttls: not the first ports that the server offers but the second ones; host: another name than the server says.
        """
        return self.run("""
            const [address, password, starttls, host] = args;
            const load = name => ChromeUtils.importESModule(`resource:///modules/accountcreation/${name}.sys.mjs`);
            const { AccountConfig } = load("AccountConfig"), { signal } = new main.AbortController();
            const config = await load("FetchConfig").FetchConfig.fromISP(address.split("@")[1], address, signal);
            const secure = starttls ? Ci.nsMsgSocketType.alwaysSTARTTLS : Ci.nsMsgSocketType.SSL;
            config.incoming = [config.incoming, ...config.incomingAlternatives].find(at => at.type == "imap" && at.socketType == secure);
            config.outgoing = [config.outgoing, ...config.outgoingAlternatives].find(at => at.socketType == secure);
            config.incoming.hostname = host ?? config.incoming.hostname;
            AccountConfig.replaceVariables(config, address.split("@")[0], address, password);
            config.rememberPassword = true;
            const shown = [];
            const close = { observe(window) {
              window.addEventListener("load", () => {
                shown.push(window.location.href, window.arguments?.[0]?.securityInfo?.errorCodeString);
                main.setTimeout(() => window.close());
              }, { once: true });
            } };
            Services.obs.addObserver(close, "domwindowopened");
            try {
              await new (load("ConfigVerifier").ConfigVerifier)(main.msgWindow, signal).verifyConfig(config, false);
            } catch (error) {
              return [String(error), ...shown].join(" ");
            } finally {
              Services.obs.removeObserver(close, "domwindowopened");
            }
            const account = await load("CreateInBackend").CreateInBackend.createAccountInBackend(config);
            account.incomingServer.getNewMessages(account.incomingServer.rootFolder, main.msgWindow, null);
            await until("the server's folders", () => folderOf(address, "Sent"));
            return "";""", address, password, starttls, host)

    def login_fault(self, port, starttls):
        """What it finds wrong with the server's certificate as it would submit there: only a fault is told."""
        return self.run("""
            const [port, starttls] = args, server = MailServices.outgoingServer.createServer("smtp");
            Object.assign(server.QueryInterface(Ci.nsISmtpServer), { hostname: "mx.example.org", port });
            server.socketType = starttls ? Ci.nsMsgSocketType.alwaysSTARTTLS : Ci.nsMsgSocketType.SSL;
            await settled(listener => server.verifyLogon(listener, main.msgWindow));
            const fault = server.serverURI.QueryInterface(Ci.nsIMsgMailNewsUrl).failedSecInfo?.errorCodeString;
            MailServices.outgoingServer.deleteServer(server);
            return fault;""", port, starttls)

    def import_authority(self):
        """What the server's page hands out as its authority is believed from now on."""
        return self.run("""
            const pem = await (await main.fetch("http://mx.example.org/ca.crt")).text();
            const database = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
            return database.addCertFromBase64(pem.replace(/-----.*?-----|\\s/g, ""), "C,,").commonName;""")

    def folders(self, address):
        """The names that the server has, and those by which the folder pane shows them."""
        return dict(self.run("return foldersOf(args[0]).map(folder => [pathOf(folder), folder.localizedName]);", address))

    def send(self, sender, to, subject, text, attachment=None):
        """Writes and sends it in a compose window; returns once it is sent and kept in Sent."""
        self.run("""
            const [sender, to, subject, text, attachment] = args;
            const create = (name, type) => Cc[`@mozilla.org/messengercompose/${name};1`].createInstance(type);
            const fields = create("composefields", Ci.nsIMsgCompFields), params = create("composeparams", Ci.nsIMsgComposeParams);
            Object.assign(fields, { to, subject, body: text });
            if (attachment) {
              const part = create("attachment", Ci.nsIMsgAttachment), path = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
              path.initWithPath(attachment);
              part.url = Services.io.newFileURI(path).spec;
              fields.addAttachment(part);
            }
            Object.assign(params, { type: Ci.nsIMsgCompType.New, format: Ci.nsIMsgCompFormat.PlainText, composeFields: fields,
                                    identity: accountOf(sender).defaultIdentity });
            MailServices.compose.OpenComposeWindowWithParams(null, params);
            const window = await until("a compose window", () => {
              const opened = Services.wm.getMostRecentWindow("msgcompose");
              return opened?.composeEditorReady && opened;
            });
            window.GenericSendMessage(Ci.nsIMsgCompDeliverMode.Now);
            await until("that it is sent", () => window.closed, 40);""", sender, to, subject, text, str(attachment or ""))

    def read(self, address, path, subject):
        """The text that the message pane shows of a mail."""
        return self.run("""
            const [address, path, subject] = args;
            const folder = folderOf(address, path);
            const mail = await arrived(folder, subject);
            const pane = main.document.getElementById("tabmail").currentAbout3Pane;
            await until("the folder pane", () => pane.displayFolder);
            pane.displayFolder(folder);
            const row = await until("the mail in the list", () => {
              const found = pane.gDBView?.msgFolder == folder ? pane.gDBView.findIndexOfMsgHdr(mail, true) : -1;
              return found < 2 ** 31 && found >= 0 && [found];
            });
            pane.threadTree.selectedIndex = row[0];
            return await until("the mail in the pane", () => {
              const message = pane.messageBrowser.contentWindow;
              return message.gMessage?.messageKey == mail.messageKey && message.gMessage.folder == folder &&
                     message.msgLoaded && message.getMessagePaneBrowser().contentDocument.body?.textContent;
            });""", address, path, subject)

    def wait_for(self, address, path, subject, ask=True):
        """Until it has the mail; ask: not only waits for what the server tells unasked."""
        self.run("""
            const [address, path, subject, ask] = args, folder = folderOf(address, path);
            await (ask ? arrived(folder, subject) : until(subject, () => mailOf(folder, subject)));""", address, path, subject, ask)

    def stored(self, address, path, subject):
        """The mail as it is in the profile, read without the server, once it was fetched."""
        return self.run("""
            const [address, path, subject] = args, folder = folderOf(address, path), mail = await arrived(folder, subject);
            await until("the mail's text", () => mail.flags & Ci.nsMsgMessageFlags.Offline);
            const stream = Cc["@mozilla.org/binaryinputstream;1"].createInstance(Ci.nsIBinaryInputStream);
            stream.setInputStream(folder.getMsgInputStream(mail));
            return stream.readBytes(mail.offlineMessageSize);""", address, path, subject).encode("latin-1")

    def create(self, address, path):
        self.run("""
            const [address, path, name] = args, { rootFolder } = accountOf(address).incomingServer;
            (path ? folderOf(address, path) : rootFolder).createSubfolder(name, main.msgWindow);
            await until("the folder", () => folderOf(address, path ? `${path}/${name}` : name));""", address, *path.rpartition("/")[::2])

    def mark(self, address, path, subject, flagged, tags):
        self.run("""
            const [address, path, subject, flagged, tags] = args, folder = folderOf(address, path), mails = [await arrived(folder, subject)];
            folder.markMessagesFlagged(mails, flagged);
            folder.addKeywordsToMessages(mails, tags);""", address, path, subject, flagged, tags)

    def move(self, address, path, subject, to):
        """to: another folder, or "" to delete it as the delete key does."""
        self.run("""
            const [address, path, subject, to] = args, folder = folderOf(address, path), mails = [await arrived(folder, subject)];
            await copied(listener => to
              ? MailServices.copy.copyMessages(folder, mails, folderOf(address, to), true, listener, main.msgWindow, true)
              : folder.deleteMessages(mails, main.msgWindow, false, true, listener, true));
            // It is done here first, and played to the server a little later.
            await updated(folder, "nothing left to play", () => !folder.getFlag(Ci.nsMsgFolderFlags.OfflineEvents));
            """, address, path, subject, to)

    def search(self, address, path, text):
        """The subjects of the mails in whose bodies the server finds the text."""
        return self.run("""
            const [address, path, text] = args, hits = [];
            const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
            session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folderOf(address, path));
            const term = session.createTerm(), value = term.value;
            value.attrib = term.attrib = Ci.nsMsgSearchAttrib.Body;
            value.str = text;
            Object.assign(term, { op: Ci.nsMsgSearchOp.Contains, value, booleanAnd: true });
            session.appendTerm(term);
            const status = await new Promise(done => {
              session.registerListener({ onSearchHit(mail) { hits.push(mail.mime2DecodedSubject); }, onSearchDone: done, onNewSearch() {} });
              session.search(main.msgWindow);
            });
            if (!Components.isSuccessCode(status)) throw new Error(`the search failed: ${status}`);
            return hits;""", address, path, text)
