#include "setup/dialogue.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/assert.h"
#include "setup/names.h"

namespace posthorn::setup {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kNone = "none";

Remark refuse(std::string_view answer, std::string_view why) {
  return {true, fmt::format("\"{}\": {}.", answer, why)};
}
Remark refuse(std::string_view why) {
  return {true, fmt::format("No: {}.", why)};
}

bool is_yes(std::string_view word) {
  return word == "y" || word == "yes";
}
bool is_no(std::string_view word) {
  return word == "n" || word == "no";
}

// "a, b c" are three.
std::vector<std::string> split(std::string_view text) {
  constexpr std::string_view kBetween = " \t\r\n,;";
  std::vector<std::string> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) return words;
    const std::size_t end = std::min(text.find_first_of(kBetween, begin), text.size());
    words.emplace_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

}  // namespace

struct Dialogue::Row {
  bool (Dialogue::*is_open)() const;
  Question (Dialogue::*ask)() const;
  Remark (Dialogue::*take)(std::string_view answer);
};

const std::vector<Dialogue::Row>& Dialogue::rows() {
  using D = Dialogue;
  static const std::vector<Row> rows = {
      {&D::asks_hostname, &D::ask_hostname, &D::take_hostname},
      {&D::asks_domains, &D::ask_domains, &D::take_domains},
      {&D::asks_account, &D::ask_account, &D::take_account},
      {&D::asks_password, &D::ask_password, &D::take_password},
      {&D::asks_again, &D::ask_again, &D::take_again},
      {&D::asks_relay, &D::ask_relay, &D::take_relay},
      {&D::asks_relay_login, &D::ask_relay_login, &D::take_relay_login},
      {&D::asks_relay_password, &D::ask_relay_password, &D::take_relay_password},
      {&D::asks_directory, &D::ask_directory, &D::take_directory},
      {&D::asks_email, &D::ask_email, &D::take_email},
      {&D::asks_terms, &D::ask_terms, &D::take_terms},
  };
  return rows;
}

Dialogue::Dialogue(Known known) : known_(std::move(known)), answers_(known_.given) {}

std::optional<Question> Dialogue::next() {
  while (at_ < rows().size() && !(this->*rows()[at_].is_open)()) ++at_;
  if (at_ == rows().size()) return std::nullopt;
  Question question = (this->*rows()[at_].ask)();
  if (is_refused_) question.about.clear();
  return question;
}

Remark Dialogue::take(std::string_view answer) {
  ASSERT(at_ < rows().size());
  const std::size_t before = at_;
  const Question question = (this->*rows()[at_].ask)();
  const bool is_hidden = question.echo == Question::Echo::hidden;
  // Of a password every blank counts.
  std::string_view meant = is_hidden ? answer : trim(answer, kBlanks);
  if (meant.empty()) meant = question.proposal;
  Remark remark = (this->*rows()[at_].take)(meant);
  is_refused_ = remark.is_refusal;
  if (remark.is_refusal) return remark;
  if (at_ == before) ++at_;
  return remark;
}

bool Dialogue::asks_hostname() const {
  return known_.given.hostname.empty();
}
Question Dialogue::ask_hostname() const {
  return {.about =
              "The name of this server, under which others find it. It needs an address in the "
              "DNS, and the reverse name of that address should be the same.",
          .words = "Host name",
          .proposal = known_.proposals.hostname};
}
Remark Dialogue::take_hostname(std::string_view answer) {
  const std::string name = meant_name(answer);
  if (name.empty()) return refuse("the server needs a name, as in mail.example.org");
  if (const auto fault = find_public_name_fault(name)) return refuse(answer, *fault);
  answers_.hostname = name;
  return {false, name == answer ? "" : fmt::format("Taken as {}.", name)};
}

bool Dialogue::asks_domains() const {
  return known_.given.domains.empty();
}
Question Dialogue::ask_domains() const {
  std::string proposal = fmt::format("{}", fmt::join(known_.proposals.domains, " "));
  if (proposal.empty()) proposal = propose_domain({}, answers_.hostname);
  return {.about =
              "The domains of the mail addresses, what stands behind the @. Of several, blanks "
              "stand between them.",
          .words = "Mail domains",
          .proposal = std::move(proposal)};
}
Remark Dialogue::take_domains(std::string_view answer) {
  std::vector<std::string> domains;
  bool is_other = false;
  for (const std::string& word : split(answer)) {
    const std::string name = meant_name(word);
    if (const auto fault = find_public_name_fault(name)) return refuse(word, *fault);
    is_other |= name != word;
    if (std::ranges::find(domains, name) == domains.end()) domains.push_back(name);
  }
  if (domains.empty()) return refuse("a mail server has at least one domain");
  answers_.domains = std::move(domains);
  return {false, is_other ? fmt::format("Taken as {}.", fmt::join(answers_.domains, " ")) : ""};
}

bool Dialogue::asks_account() const {
  return !known_.is_account_settled && known_.given.account.address.empty();
}
Question Dialogue::ask_account() const {
  const std::string& known = known_.proposals.account.address;
  return {
      .about = fmt::format("The first account: a mailbox, and the login of its user. \"{}\" means "
                           "none now.",
                           kNone),
      .words = "Address",
      .proposal = known.empty() || known.find('@') != std::string::npos
                      ? known
                      : fmt::format("{}@{}", known, first_domain())};
}
Remark Dialogue::take_account(std::string_view answer) {
  std::string address = to_lower(answer);
  if (address.empty()) return refuse("an address, or none");
  if (address == kNone) return {};
  if (address.find('@') == std::string::npos) address += "@" + first_domain();
  const std::size_t at = address.rfind('@');
  address = address.substr(0, at + 1) + meant_name(address.substr(at + 1));
  if (const auto fault = find_account_fault(address, known_.recipient_delimiter))
    return refuse(answer, *fault);
  if (std::ranges::find(answers_.domains, address.substr(at + 1)) == answers_.domains.end())
    return refuse(answer,
                  fmt::format("the domain is none of yours: {}", fmt::join(answers_.domains, " ")));
  answers_.account.address = address;
  return {false, address == answer ? "" : fmt::format("Taken as {}.", address)};
}

bool Dialogue::asks_password() const {
  return !answers_.account.address.empty() && answers_.account.password.empty();
}
Question Dialogue::ask_password() const {
  return {.about =
              "Its password, which is not shown. An empty one: one is made, and shown at the "
              "end.",
          .words = fmt::format("Password of {}", answers_.account.address),
          .proposal = {},
          .echo = Question::Echo::hidden};
}
Remark Dialogue::take_password(std::string_view answer) {
  if (answer.empty()) {
    ASSERT(known_.random.size() == kMadePasswordBytes);
    answers_.account.password = make_password(known_.random);
    answers_.account.is_made = true;
    return {};
  }
  if (const auto fault = find_password_fault(answer)) return refuse(*fault);
  password_ = answer;
  return {};
}

bool Dialogue::asks_again() const {
  return !password_.empty();
}
Question Dialogue::ask_again() const {
  return {.about = {}, .words = "Again", .proposal = {}, .echo = Question::Echo::hidden};
}
Remark Dialogue::take_again(std::string_view answer) {
  const bool is_same = answer == password_;
  if (is_same) {
    answers_.account.password = std::exchange(password_, {});
    return {};
  }
  password_.clear();
  --at_;  // from the first of the two
  return {false, "No: the two differ."};
}

bool Dialogue::asks_relay() const {
  return !known_.is_relay_settled && known_.given.relay.hop.empty();
}
Question Dialogue::ask_relay() const {
  return {.about = fmt::format(
              "How mail leaves. \"{}\": straight to the recipients' servers, which needs outgoing "
              "port 25. Or through a relay: \"sendgrid\", or another one's host and port.",
              kNone),
          .words = "Relay",
          .proposal =
              known_.proposals.relay.hop.empty() ? std::string(kNone) : known_.proposals.relay.hop};
}
Remark Dialogue::take_relay(std::string_view answer) {
  answers_.relay = {};
  if (to_lower(answer) == kNone) return {};
  std::string why;
  const auto hop = meant_relay(answer, why);
  if (!hop) return refuse(answer, why);
  answers_.relay.hop = *hop;
  return {false, *hop == answer ? "" : fmt::format("Taken as {}.", *hop)};
}

bool Dialogue::asks_relay_login() const {
  return !answers_.relay.hop.empty() && known_.given.relay.login.empty();
}
Question Dialogue::ask_relay_login() const {
  const std::string& known = known_.proposals.relay.login;
  const std::string usual = usual_login(answers_.relay.hop);
  return {.about = fmt::format(
              "Your login there; \"{}\" where the relay knows you by your address.", kNone),
          .words = "Login",
          .proposal = known.empty() ? usual : known};
}
Remark Dialogue::take_relay_login(std::string_view answer) {
  answers_.relay.login.clear();
  if (to_lower(answer) == kNone) return {};
  if (const auto fault = find_relay_login_fault(answer)) return refuse(answer, *fault);
  answers_.relay.login = answer;
  return {};
}

bool Dialogue::asks_relay_password() const {
  return !answers_.relay.login.empty() && answers_.relay.password.empty();
}
Question Dialogue::ask_relay_password() const {
  const bool is_key = answers_.relay.login == "apikey";
  return {.about = {},
          .words = is_key ? "API key (not shown)" : "Password there (not shown)",
          .proposal = {},
          .echo = Question::Echo::hidden};
}
Remark Dialogue::take_relay_password(std::string_view answer) {
  if (const auto fault = find_relay_password_fault(answer)) return refuse(*fault);
  answers_.relay.password = answer;
  return {};
}

bool Dialogue::asks_directory() const {
  return !known_.is_acme_settled && known_.given.acme.directory.empty() &&
         known_.given.acme.email.empty();
}
Question Dialogue::ask_directory() const {
  return {
      .about = fmt::format(
          "A certificate that every program trusts, by ACME: \"letsencrypt\"; \"staging\", which "
          "is for trying out and trusted by nobody; another authority's directory, as https:// "
          "URL; or \"{}\". It needs port 80 or 443, reachable from outside.",
          kNone),
      .words = "Authority",
      .proposal = known_.proposals.acme.directory.empty() ? "letsencrypt"
                                                          : known_.proposals.acme.directory};
}
Remark Dialogue::take_directory(std::string_view answer) {
  answers_.acme = {};
  if (to_lower(answer) == kNone)
    return {false, "The server goes on with a certificate of its own making."};
  const std::string directory = meant_directory(answer);
  if (const auto fault = find_directory_fault(directory)) return refuse(answer, *fault);
  answers_.acme.directory = directory;
  return {};
}

bool Dialogue::asks_email() const {
  return !answers_.acme.directory.empty() && answers_.acme.email.empty();
}
Question Dialogue::ask_email() const {
  const std::string& known = known_.proposals.acme.email;
  return {.about = "Where the authority writes to when something is wrong with a certificate.",
          .words = "E-mail address",
          .proposal = !known.empty()                      ? known
                      : !answers_.account.address.empty() ? answers_.account.address
                                                          : "postmaster@" + first_domain()};
}
Remark Dialogue::take_email(std::string_view answer) {
  if (const auto fault = find_email_fault(answer)) return refuse(answer, *fault);
  answers_.acme.email = answer;
  return {};
}

bool Dialogue::asks_terms() const {
  return !answers_.acme.email.empty() && !answers_.acme.are_terms_agreed;
}
Question Dialogue::ask_terms() const {
  return {.about = terms_.empty() ? fmt::format("Its terms: {}", terms_of(answers_.acme.directory))
                                  : terms_,
          .words = "Do you agree to them? (yes or no)",
          .proposal = {}};
}
Remark Dialogue::take_terms(std::string_view answer) {
  const std::string word = to_lower(answer);
  if (is_yes(word)) {
    answers_.acme.are_terms_agreed = true;
    return {};
  }
  if (!is_no(word)) return refuse("this one wants a yes or a no");
  // RFC 8555 section 7.3: no account without it.
  answers_.acme = {};
  return {false, "Then without ACME: the server goes on with a certificate of its own making."};
}

}  // namespace posthorn::setup
