// AuthService's side of `posthorn explain login`: what authenticate() would say, by the same code
// and without its consequences, and what the ports ask for before a login comes so far.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "auth/proto/sasl.h"
#include "auth/service.h"

namespace posthorn::auth {
namespace {

struct Ports {
  std::string_view service;
  std::vector<std::string> config::Listen::* plain;  // TLS begins by a command
  std::vector<std::string> config::Listen::* tls;    // nullptr: there is no such port
  std::string_view plain_key, tls_key;
};
constexpr Ports kPorts[] = {
    {"imap", &config::Listen::imap, &config::Listen::imaps, "listen.imap", "listen.imaps"},
    {"pop3", &config::Listen::pop3, &config::Listen::pop3s, "listen.pop3", "listen.pop3s"},
    {"smtp", &config::Listen::submission, &config::Listen::submissions, "listen.submission",
     "listen.submissions"},
    {"managesieve", &config::Listen::managesieve, nullptr, "listen.managesieve", ""}};

// What mail programs call "encrypted password" and its like. They need the password itself, or keys
// of one mechanism; a hash is checked with the password that comes over TLS.
constexpr std::string_view kMechanisms[] = {
    "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "NTLM", "XOAUTH2"};

void tell_mechanisms(Explanation& told) {
  std::vector<std::string_view> taken, others;
  for (const std::string_view name : kMechanisms) {
    const SaslStep step = SaslServer().start(name, std::nullopt);
    const auto* failure = std::get_if<SaslFailure>(&step);
    (failure != nullptr && *failure == SaslFailure::unknown_mechanism ? others : taken)
        .push_back(name);
  }
  told.push_back(
      {Point::service, Bearing::tells,
       fmt::format("the mechanisms are {}; {} cannot be checked against a hash and are not offered",
                   fmt::join(taken, " and "), fmt::join(others, ", ")),
       "", "in the mail program: \"normal password\", not \"encrypted password\""});
}

void tell_ports(const config::Config& config, const Ports& ports, Explanation& told) {
  std::vector<std::string> open;
  for (const std::string& address : config.listen.*ports.plain)
    open.push_back(address + " (STARTTLS)");
  if (ports.tls != nullptr)
    for (const std::string& address : config.listen.*ports.tls) open.push_back(address + " (TLS)");
  const std::string keys = ports.tls == nullptr
                               ? std::string(ports.plain_key)
                               : fmt::format("{}, {}", ports.plain_key, ports.tls_key);
  if (open.empty())
    told.push_back({Point::service, Bearing::warns,
                    fmt::format("nothing listens for {}", ports.service), keys,
                    "name an address there, then posthorn restart"});
  else
    told.push_back({Point::service, Bearing::tells,
                    fmt::format("{} is served on {}", ports.service, fmt::join(open, ", ")), keys});
}

void tell_service(const config::Config& config, const std::string& service, Explanation& told) {
  const std::string_view name = service == "submission" ? "smtp" : std::string_view(service);
  const auto* const ports = std::ranges::find(kPorts, name, &Ports::service);
  if (ports != std::end(kPorts)) tell_ports(config, *ports, told);
  if (name == "smtp" && !config.smtp.auth_on_25)
    told.push_back({Point::service, Bearing::tells,
                    "port 25 takes no logins: programs send by submission", "smtp.auth_on_25"});
  const bool is_tls_required = name == "smtp" && config.submission.require_tls;
  if (!config.auth.allow_plaintext || is_tls_required)
    told.push_back({Point::service, Bearing::tells, "without TLS every login is refused",
                    config.auth.allow_plaintext ? "submission.require_tls" : "auth.allow_plaintext",
                    "in the mail program: SSL/TLS or STARTTLS"});
  else
    told.push_back({Point::service, Bearing::tells, "logins are taken without TLS, too",
                    "auth.allow_plaintext"});
  tell_mechanisms(told);
  told.push_back(
      {Point::service, Bearing::tells,
       fmt::format("one address may have {} connections at a time, and begin {} a minute",
                   config.limits.connections_per_address_max,
                   config.limits.connections_per_minute_max),
       "limits.connections_per_address_max, limits.connections_per_minute_max"});
}

}  // namespace

net::Awaitable<LoginOutlook> AuthService::explain(LoginQuestion question) {
  using Outcome = LoginOutlook::Outcome;
  LoginOutlook outlook;
  Explanation& told = outlook.steps;
  const auto account = account_of(question.user, &told);
  outlook.account = account.value_or("");
  const bool is_banned = is_shut_out({question.address, account.value_or(question.user)}, &told);
  Attempt attempt{.service = question.service,
                  .mechanism = {},
                  .user = question.user,
                  .authorization = {},
                  .password = {},
                  .address = question.address,
                  .session = {}};
  const bool is_asked = question.password.has_value();
  const auto judged = co_await weigh(attempt, account, std::move(question.password), &told);
  if (judged && is_asked && (judged->is_good || judged->why == "wrong password"))
    told.push_back({Point::password, judged->is_good ? Bearing::tells : Bearing::refuses,
                    judged->is_good ? "the password is the right one" : "it is another password",
                    "",
                    judged->is_good ? "" : remedy_with("passwd", outlook.account, sources_.users)});
  if (!judged)
    told.push_back({Point::credential, Bearing::unasked, judged.error().what, "",
                    "posthorn status says what cannot be asked"});
  tell_service(config_, question.service, told);
  outlook.outcome = is_banned         ? Outcome::banned
                    : !judged         ? Outcome::unavailable
                    : judged->is_good ? Outcome::ok
                                      : Outcome::refused;
  outlook.reason = is_banned ? "banned" : judged ? judged->why : judged.error().what;
  co_return outlook;
}

namespace {

template <class Table, class Value>
std::string_view name_in(const Table& table, Value value) {
  return std::ranges::find(table, value, &Table::value_type::first)->second;
}

}  // namespace

net::Awaitable<std::optional<net::Message>> answer_explain(AuthService& service,
                                                           const net::Message& request) {
  if (request.verb != "explain-login") co_return std::nullopt;
  LoginQuestion question{.service = std::string(request.get("service")),
                         .user = std::string(request.get("user")),
                         .address = std::string(request.get("address"))};
  if (const auto password = request.find("password")) question.password = *password;
  const LoginOutlook outlook = co_await service.explain(std::move(question));
  net::Message answer("ok");
  answer.add("outcome", name_in(kOutlooks, outlook.outcome))
      .add("reason", outlook.reason)
      .add("account", outlook.account);
  for (const Step& step : outlook.steps)
    answer.add("step", name_in(kPoints, step.point))
        .add("bearing", name_in(kBearings, step.bearing))
        .add("text", step.text)
        .add("basis", step.basis)
        .add("remedy", step.remedy);
  co_return answer;
}

}  // namespace posthorn::auth
