// RemoteDirectory: the Directory of the roles that have no tables: it asks lookup.
#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "base/ascii.h"
#include "route/local_directory.h"

namespace posthorn::route {
namespace {

constexpr auto kAnswerTimeout = 15s;

int parse_code(std::string_view text) {
  int code = 550;
  std::from_chars(text.data(), text.data() + text.size(), code);
  return code;
}

std::chrono::milliseconds parse_time(std::string_view text) {
  std::int64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return std::chrono::milliseconds(count);
}

// ok, refused or anything else, which means that the tables could not be asked.
Result<std::expected<void, Refusal>> outcome_of(const net::Message& answer) {
  if (answer.verb == "ok" || answer.verb == "local" || answer.verb == "relay" ||
      answer.verb == "mx")
    return std::expected<void, Refusal>{};
  if (answer.verb == "refused") {
    const auto reason = find_reason(answer.get("reason"));
    if (!reason) return fail(ErrorKind::temporary, "lookup: no reason in its answer");
    return std::expected<void, Refusal>(
        std::unexpect,
        Refusal{*reason, parse_code(answer.get("code")), std::string(answer.get("enhanced")),
                std::string(answer.get("text")), parse_time(answer.get("after"))});
  }
  return fail(ErrorKind::temporary, fmt::format("lookup: {}", answer.get("error")));
}

net::Message refused(const Refusal& refusal) {
  return net::Message("refused")
      .add("reason", to_string(refusal.reason))
      .add("code", fmt::format("{}", refusal.code))
      .add("enhanced", refusal.enhanced)
      .add("text", refusal.text)
      .add("after", fmt::format("{}", refusal.after.count()));
}

net::Message temporary(const Error& error) {
  return net::Message("temporary").add("error", error.what);
}

// Each of a relay's fields, under a name with this in front.
void add_relay(net::Message& message, const std::string& prefix, const RelayPlan& relay) {
  message.add(prefix + "host", relay.host)
      .add(prefix + "port", fmt::format("{}", relay.port))
      .add(prefix + "use_mx", relay.use_mx ? "1" : "0")
      .add(prefix + "user", relay.user)
      .add(prefix + "password", relay.password)
      .add(prefix + "tls", to_string(relay.tls));
}

// All that stand there, in order; nullopt: one is not understood, and to leave it out or to guess
// its TLS would send mail where it must not go.
std::optional<std::vector<RelayPlan>> read_relays(const net::Message& message,
                                                  const std::string& prefix) {
  const auto hosts = message.all(prefix + "host"), ports = message.all(prefix + "port"),
             use_mx = message.all(prefix + "use_mx"), users = message.all(prefix + "user"),
             passwords = message.all(prefix + "password"), tls = message.all(prefix + "tls");
  std::vector<RelayPlan> relays;
  for (std::size_t i = 0; i < std::min({hosts.size(), ports.size(), use_mx.size(), users.size(),
                                        passwords.size(), tls.size()});
       ++i) {
    const auto policy = config::find_choice<config::TlsPolicy>(tls[i]);
    if (!policy) return std::nullopt;
    relays.push_back({.host = std::string(hosts[i]),
                      .port = to_number<std::uint16_t>(ports[i]).value_or(25),
                      .use_mx = use_mx[i] == "1",
                      .user = std::string(users[i]),
                      .password = std::string(passwords[i]),
                      .tls = *policy});
  }
  return relays;
}

net::Message describe(const Plan& plan) {
  if (const auto* local = std::get_if<LocalPlan>(&plan))
    return net::Message("local")
        .add("account", local->account)
        .add("tag", local->tag)
        .add("by", local->by);
  net::Message message("mx");
  const auto* relay = std::get_if<RelayPlan>(&plan);
  if (relay != nullptr) {
    message = net::Message("relay");
    add_relay(message, "", *relay);
    message.add("by", relay->by);
  } else {
    message.add("domain", std::get<MxPlan>(plan).domain).add("by", std::get<MxPlan>(plan).by);
  }
  for (const RelayPlan& next : relay ? relay->fallbacks : std::get<MxPlan>(plan).fallbacks)
    add_relay(message, "fallback.", next);
  return message;
}

// What a recipient was found by stands behind it, where it is another than that of the one before:
// the members of a list have theirs in common.
void add_recipients(net::Message& message, const Expansion& expansion) {
  std::string_view before;
  for (std::size_t i = 0; i < expansion.recipients.size(); ++i) {
    message.add("to", expansion.recipients[i]);
    if (i >= expansion.by.size() || expansion.by[i] == before) continue;
    before = expansion.by[i];
    message.add("by", before);
  }
}

Expansion read_recipients(const net::Message& message) {
  Expansion expansion;
  for (const auto& [key, value] : message.fields) {
    if (key == "to") {
      expansion.recipients.push_back(value);
      expansion.by.push_back(expansion.by.empty() ? "" : expansion.by.back());
    } else if (key == "by" && !expansion.by.empty()) {
      expansion.by.back() = value;
    }
  }
  return expansion;
}

Result<std::expected<Plan, Refusal>> read_plan(const net::Message& answer) {
  using Out = std::expected<Plan, Refusal>;
  TRY(const auto outcome, outcome_of(answer));
  if (!outcome) return Out(std::unexpected(outcome.error()));
  if (answer.verb == "local")
    return Out(LocalPlan{.account = std::string(answer.get("account")),
                         .tag = std::string(answer.get("tag")),
                         .by = std::string(answer.get("by"))});
  auto fallbacks = read_relays(answer, "fallback.");
  if (answer.verb == "mx" && fallbacks)
    return Out(MxPlan{.domain = std::string(answer.get("domain")),
                      .fallbacks = *std::move(fallbacks),
                      .by = std::string(answer.get("by"))});
  auto relays = read_relays(answer, "");
  if (answer.verb != "relay" || !fallbacks || !relays || relays->empty())
    return fail(ErrorKind::temporary, "lookup: no plan in its answer");
  relays->front().fallbacks = *std::move(fallbacks);
  relays->front().by = answer.get("by");
  return Out(std::move(relays->front()));
}

}  // namespace

Answer<Expansion> RemoteDirectory::recipient(RecipientQuestion question) {
  using Out = std::expected<Expansion, Refusal>;
  CO_TRY(const auto answer, co_await channel_.ask(net::Message("recipient")
                                                      .add("address", question.address)
                                                      .add("relay", question.may_relay ? "1" : "0")
                                                      .add("notice", question.is_notice ? "1" : "0")
                                                      .add("size", std::to_string(question.size)),
                                                  kAnswerTimeout));
  CO_TRY(const auto outcome, outcome_of(answer));
  if (!outcome) co_return Out(std::unexpected(outcome.error()));
  Expansion expansion = read_recipients(answer);
  expansion.is_reversed = answer.get("reversed") == "1";
  co_return Out(std::move(expansion));
}

Answer<void> RemoteDirectory::sender(SenderQuestion question) {
  CO_TRY(
      const auto answer,
      co_await channel_.ask(
          net::Message("sender").add("account", question.account).add("address", question.address),
          kAnswerTimeout));
  co_return outcome_of(answer);
}

Answer<Plan> RemoteDirectory::plan(PlanQuestion question) {
  net::Message request("plan");
  request.add("address", question.address).add("sender", question.sender);
  request.add("relay", question.named ? "0" : "1");
  if (question.named) request.add("named", *question.named);
  CO_TRY(const auto answer, co_await channel_.ask(std::move(request), kAnswerTimeout));
  co_return read_plan(answer);
}

Answer<Plan> RemoteDirectory::hop(std::string name, std::string sender) {
  CO_TRY(const auto answer,
         co_await channel_.ask(net::Message("hop").add("name", name).add("sender", sender),
                               kAnswerTimeout));
  co_return read_plan(answer);
}

net::Task<NamedHops> RemoteDirectory::hops() {
  CO_TRY(const auto answer, co_await channel_.ask(net::Message("hops"), kAnswerTimeout));
  CO_TRY_OK(outcome_of(answer));
  NamedHops found{.hops = {}, .are_all = answer.get("all") == "1"};
  for (const auto& [key, value] : answer.fields) {
    if (key == "name") found.hops.push_back({value, {}, {}});
    if (key == "place" && !found.hops.empty()) found.hops.back().place = value;
    if (key == "sender" && !found.hops.empty()) found.hops.back().sender = value;
  }
  co_return found;
}

net::Task<std::string> RemoteDirectory::rewrite(std::string sender) {
  CO_TRY(const auto answer,
         co_await channel_.ask(net::Message("rewrite").add("address", sender), kAnswerTimeout));
  CO_TRY(const auto outcome, outcome_of(answer));
  if (!outcome) co_return fail(ErrorKind::temporary, "lookup: " + outcome.error().text);
  // Nothing must leave as the null sender, of which nobody would hear again.
  if (answer.get("sender").empty() && !sender.empty())
    co_return fail(ErrorKind::temporary, "lookup: no sender in its answer");
  co_return std::string(answer.get("sender"));
}

net::Awaitable<std::optional<net::Message>> answer_directory(Directory& directory,
                                                             const net::Message& request) {
  const std::string address(request.get("address"));
  if (request.verb == "recipient") {
    const auto answer = co_await directory.recipient(
        {.address = address,
         .may_relay = request.get("relay") == "1",
         .is_notice = request.get("notice") == "1",
         .size = to_number<std::uint64_t>(request.get("size")).value_or(0)});
    if (!answer) co_return temporary(answer.error());
    if (!*answer) co_return refused(answer->error());
    net::Message message("ok");
    add_recipients(message, **answer);
    if ((*answer)->is_reversed) message.add("reversed", "1");
    co_return message;
  }
  if (request.verb == "sender") {
    const auto answer = co_await directory.sender(
        {.account = std::string(request.get("account")), .address = address});
    if (!answer) co_return temporary(answer.error());
    if (!*answer) co_return refused(answer->error());
    co_return net::Message("ok");
  }
  if (request.verb == "plan") {
    PlanQuestion question{.address = address, .sender = std::string(request.get("sender"))};
    if (request.get("relay") != "1") question.named = std::string(request.get("named"));
    const auto answer = co_await directory.plan(std::move(question));
    if (!answer) co_return temporary(answer.error());
    if (!*answer) co_return refused(answer->error());
    co_return describe(**answer);
  }
  if (request.verb == "rewrite") {
    const auto answer = co_await directory.rewrite(address);
    if (!answer) co_return temporary(answer.error());
    co_return net::Message("ok").add("sender", *answer);
  }
  co_return std::nullopt;
}

net::Awaitable<std::optional<net::Message>> answer_hops(LocalDirectory& directory,
                                                        const net::Message& request) {
  if (request.verb == "hop") {
    const auto answer = co_await directory.hop(std::string(request.get("name")),
                                               std::string(request.get("sender")));
    if (!answer) co_return temporary(answer.error());
    if (!*answer) co_return refused(answer->error());
    co_return describe(**answer);
  }
  if (request.verb != "hops") co_return std::nullopt;
  const NamedHops found = directory.hops();
  net::Message message("ok");
  message.add("all", found.are_all ? "1" : "0");
  for (const NamedHop& hop : found.hops)
    message.add("name", hop.name).add("place", hop.place).add("sender", hop.sender);
  co_return message;
}

}  // namespace posthorn::route
