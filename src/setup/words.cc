#include "setup/words.h"

#include <algorithm>
#include <fmt/format.h>

namespace posthorn::setup {
namespace {

std::string how_it_leaves(const Relay& relay) {
  if (relay.hop.empty()) return "mail leaves to the recipients' servers";
  return fmt::format("mail leaves through {}", relay.hop);
}

std::string who_certifies(const Acme& acme) {
  if (acme.directory.empty()) return "no ACME";
  return fmt::format("ACME: {}, {}, its terms are agreed to", acme.directory, acme.email);
}

class Steps {
 public:
  // Commands on lines of their own, to be copied.
  void add(std::string_view text, const std::vector<std::string>& commands = {}) {
    out_ += fmt::format("{}. {}\n", ++count_, text);
    for (const std::string& command : commands) out_ += fmt::format("     {}\n", command);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
  int count_ = 0;
};

void add_start(Steps& steps, const Standing& standing) {
  switch (standing.service) {
    case Standing::Service::running:
      steps.add("The server runs: have it begin anew with these settings.",
                {"posthorn restart" + standing.conf});
      break;
    case Standing::Service::systemd:
      steps.add("Start it.", {"systemctl restart posthorn"});
      break;
    case Standing::Service::none:
      steps.add("Start it.", {"posthorn serve" + standing.conf});
      break;
  }
}

void add_records(Steps& steps, const Undertaking& it, const Standing& standing) {
  std::vector<std::string> keys, records;
  for (const std::string& domain : it.answers.domains) {
    keys.push_back(fmt::format("posthorn dkim key {}{}", domain, standing.conf));
    records.push_back(fmt::format("posthorn dns {}{}", domain, standing.conf));
  }
  if (!standing.has_dkim_keys) steps.add("Make the keys that mail is signed with.", keys);
  steps.add(
      "Publish the records that this prints, where the DNS of the domain is kept, and have the "
      "reverse name of the address set where you rent it. Run again, it says what is still "
      "missing or wrong.",
      records);
}

void add_ways(Steps& steps, const Undertaking& it, const Standing& standing) {
  const Answers& a = it.answers;
  const std::string folder = it.folder.native();
  if (a.relay.hop.empty())
    steps.add(
        "Let port 25 in and out, which many providers open only when asked (`posthorn dns` tries "
        "it). Where it stays closed to the outside, send through a relay:",
        {fmt::format("posthorn init {} --relay HOST --relay-login NAME --relay-password-file "
                     "FILE --yes",
                     folder)});
  else
    steps.add("Let port 25 in, and see that the relay takes your mail.",
              {"posthorn relay test" + standing.conf});
  if (a.acme.directory.empty())
    steps.add(
        fmt::format("Have a certificate that every program trusts; until then they are asked to "
                    "trust {}.",
                    (it.folder / "authority/cert.pem").native()),
        {fmt::format("posthorn init {} --acme you@{} --yes", folder, a.domains.front())});
  else
    steps.add(
        fmt::format("Let port 80 or 443 in: the certificate comes by itself as soon as {} leads "
                    "here. This says how far it is.",
                    a.hostname),
        {"posthorn certificate list" + standing.conf});
}

void add_first_mail(Steps& steps, const Undertaking& it, const Standing& standing) {
  const Answers& a = it.answers;
  const std::string you =
      a.account.address.empty() ? "you@" + a.domains.front() : a.account.address;
  steps.add(
      "Ask what would become of a first mail; then have one sent, answer it, and see what became "
      "of both.",
      {fmt::format("posthorn explain rcpt {} --from friend@example.com{}", you, standing.conf),
       "posthorn trace" + standing.conf});
  steps.add(
      fmt::format("Set up a mail program: it finds its settings by the address {}. By hand: server "
                  "{}, IMAP 993, sending 465, both with TLS; the login is the whole address.",
                  you, a.hostname));
}

}  // namespace

std::string tell_plan(const Undertaking& it) {
  const Answers& a = it.answers;
  std::string out;
  const auto tell = [&](std::string_view file, std::string_view what) {
    out += fmt::format("  - {}: {}\n", file, what);
  };
  if (it.is_there) {
    out += fmt::format("In {}, where a server is set up already:\n", it.folder.native());
    for (const Change& change : it.changes)
      tell("conf/posthorn.toml", fmt::format("{}.{} = {}, where {} stands", change.section,
                                             change.key, change.shall, change.is));
    if (!it.added.empty()) tell("maps/domains", fmt::format("{}, too", fmt::join(it.added, ", ")));
  } else {
    out += fmt::format("Below {}:\n", it.folder.native());
    tell("conf/posthorn.toml",
         fmt::format("{}; {}; {}", a.hostname, how_it_leaves(a.relay), who_certifies(a.acme)));
    tell("maps/domains", fmt::format("{}", fmt::join(a.domains, ", ")));
    tell("tls, authority", "a certificate of its own making, which serves until there is another");
  }
  if (!a.account.address.empty()) tell("conf/users, maps/mailboxes", a.account.address);
  if (!a.relay.login.empty())
    tell("maps/relay-sasl", fmt::format("the login {} of {}", a.relay.login, a.relay.hop));
  tell("dkim", "keys that mail is signed with, where there are none");
  out += "Every other file that is there stays as it is.\n";
  return out;
}

std::string tell_next_steps(const Undertaking& it, const Standing& standing) {
  Steps steps;
  const std::string& conf = standing.conf;
  const Answers& a = it.answers;
  if (!standing.is_migrated)
    steps.add("Make its tables, and fill them with what these files hold.",
              {"posthorn migrate" + conf, "posthorn tables copy text pgsql" + conf});
  if (it.profile == "dev") {
    steps.add("Start it; then log in as anybody@any.where, with the password anybody.",
              {"posthorn serve" + conf});
    return steps.take();
  }
  if (it.profile == "test" && standing.is_migrated) {  // the environment's go into files only
    steps.add(
        "Start it, with the logins for sending and for reading.",
        {"SMTP_USER=app SMTP_PASSWD=one IMAP_USER1=anna IMAP_PASSWD=two posthorn serve" + conf});
    return steps.take();
  }
  if (a.account.address.empty()) {
    const std::string you = it.profile == "local" ? "you" : "you@" + a.domains.front();
    steps.add("Make an account.", {fmt::format("posthorn user add {}{}", you, conf)});
  }
  add_start(steps, standing);
  if (it.profile != "default") return steps.take();
  add_records(steps, it, standing);
  add_ways(steps, it, standing);
  add_first_mail(steps, it, standing);
  return steps.take();
}

}  // namespace posthorn::setup
