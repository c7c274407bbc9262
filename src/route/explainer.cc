#include "route/explainer.h"

#include <algorithm>
#include <fmt/format.h>

#include "net/networks.h"
#include "route/asked_words.h"

namespace posthorn::route {
namespace {

constexpr std::size_t kPlansMax = 20;  // recipients of which it is told how their mail goes on

std::string way_of(const RelayPlan& plan) {
  return fmt::format("{}{}:{}{}, tls {}", plan.use_mx ? "the MX hosts of " : "", plan.host,
                     plan.port, plan.user.empty() ? "" : fmt::format(" as {}", plan.user),
                     to_string(plan.tls));
}

std::string way_of(const Plan& plan) {
  if (const auto* local = std::get_if<LocalPlan>(&plan))
    return fmt::format("the mailbox of {}{}", local->account,
                       local->tag.empty() ? "" : fmt::format(", tag {}", local->tag));
  const auto* relay = std::get_if<RelayPlan>(&plan);
  const auto* mx = std::get_if<MxPlan>(&plan);
  std::string way = relay ? way_of(*relay) : fmt::format("the MX hosts of {}", mx->domain);
  for (const RelayPlan& next : relay ? relay->fallbacks : mx->fallbacks)
    way += fmt::format("; then {}", way_of(next));
  return way;
}

void conclude(Explained& explained, Reply taken) {
  explained.outcome = Explained::Outcome::taken;
  explained.reply = std::move(taken);
}

Explained refuse(Explained explained, Reply reply) {
  explained.outcome = Explained::Outcome::refused;
  explained.reply = std::move(reply);
  return explained;
}

template <class T>
void conclude(Explained& explained, const Result<std::expected<T, Refusal>>& answer, Reply taken) {
  if (!answer) {
    explained.outcome = Explained::Outcome::unasked;
    explained.reply = reply_to(answer.error());
    explained.why = answer.error().what;
  } else if (!*answer) {
    explained.outcome = Explained::Outcome::refused;
    explained.reply = reply_to(answer->error());
  } else {
    conclude(explained, std::move(taken));
  }
}

// Each list of tables by the name that steps have for it.
std::vector<std::string> tables_of(const config::Maps& maps, std::string_view list) {
  constexpr std::pair<std::string_view, config::Maps::List config::Maps::*> kLists[] = {
      {"domains", &config::Maps::domains},     {"mailboxes", &config::Maps::mailboxes},
      {"aliases", &config::Maps::aliases},     {"senders", &config::Maps::senders},
      {"transport", &config::Maps::transport}, {"sender-relays", &config::Maps::sender_relays},
      {"vusers", &config::Maps::vusers}};
  for (const auto& [name, tables] : kLists)
    if (name == list) return maps.*tables;
  return {maps.relay_sasl};
}

}  // namespace

// Whether one of the steps asked the table that the doubt is of.
bool Explainer::bears_on(const Doubt& doubt, const Explanation& steps) const {
  if (doubt.where.empty()) return true;
  const std::string file = doubt.where.substr(0, doubt.where.rfind(':'));
  return std::ranges::any_of(steps.steps(), [&](const Step& step) {
    if (step.table.empty()) return false;
    return std::ranges::any_of(tables_of(config_.maps, step.table), [&](const std::string& name) {
      const auto table = maps::parse_table_name(name);
      if (table && table->type == "pgsql") return file.starts_with("pgsql:");
      return table && table->is_file() && file == (config_.paths.maps / table->rest).native();
    });
  });
}

net::Task<Explained> Explainer::with_doubts(net::Task<Explained> told) const {
  CO_TRY(Explained explained, co_await std::move(told));
  Explanation steps;
  for (const Doubt& doubt : sources_.doubts)
    if (bears_on(doubt, explained.steps)) steps.add({Decision::unasked, doubt.text, ""});
  for (const Step& step : explained.steps.steps()) steps.add(step);
  steps.leave_out(explained.steps.left_out());
  explained.steps = std::move(steps);
  co_return explained;
}

net::Task<Explained> Explainer::explain_recipient(Recipient question) {
  return with_doubts(tell_recipient(std::move(question)));
}

net::Task<Explained> Explainer::explain_submission(Submission question) {
  return with_doubts(tell_submission(std::move(question)));
}

net::Task<Explained> Explainer::explain_relay(Relay question) {
  return with_doubts(tell_relay(std::move(question)));
}

// Whether it may relay; and, as it is often asked together, whether it may log in.
bool Explainer::find_client(const std::string& address, Explained& explained) const {
  if (address.empty()) return false;
  const auto networks = net::Networks::parse(config_.smtp.relay_from);
  const bool is_listed = networks && networks->contains(address);
  explained.steps.add({Decision::networks,
                       fmt::format("{} {} among the addresses that may relay without a login",
                                   address, is_listed ? "is" : "is not"),
                       "smtp.relay_from"});
  if (!sources_.find_ban) return is_listed;
  const auto ban = sources_.find_ban(address);
  explained.steps.add(
      {Decision::banned,
       ban ? fmt::format("{} may not log in now ({}); it may bring mail", address, *ban)
           : fmt::format("{} is not banned from logging in", address),
       ""});
  return is_listed;
}

// AUTH, before MAIL: false, and the outcome, if nobody logs in so (RFC 4954 section 6).
net::Task<bool> Explainer::find_login(Explained* explained, std::string* account) const {
  if (!sources_.find_login) co_return true;
  const auto login = co_await sources_.find_login(*account);
  if (login && *login) {
    *account = **login;
    co_return true;
  }
  const std::string why = login ? login->error().why : login.error().what;
  explained->outcome = login ? Explained::Outcome::refused : Explained::Outcome::unasked;
  explained->reply = login ? Reply{535, "5.7.8", "Authentication credentials invalid"}
                           : Reply{454, "4.7.0", "Temporary authentication failure"};
  if (!login) explained->why = why;
  explained->steps.add({login ? Decision::refused : Decision::unasked,
                        fmt::format("{} cannot log in: {}; posthorn explain login {} tells more",
                                    *account, why, *account),
                        login ? login->error().basis : ""});
  co_return false;
}

net::Task<Explained> Explainer::tell_recipient(Recipient question) {
  Explained explained;
  const Client client{.is_in_relay_from = find_client(question.client, explained)};
  const auto sender = read_sender(question.sender.value_or(""), question.address);
  if (!sender) co_return refuse(std::move(explained), sender.error());
  CO_TRY(const auto may,
         co_await ask_sender(sources_.directory, config_.submission, client,
                             {.account = {}, .address = *sender, .told = &explained.steps}));
  (void)may;  // nobody is asked
  const auto address = read_recipient(question.address, question.sender.value_or(""));
  if (!address) co_return refuse(std::move(explained), address.error());
  CO_TRY_OK(co_await take_recipient(
      &explained, &client, {.address = *address, .is_notice = question.sender && sender->empty()},
      *sender));
  co_return explained;
}

net::Task<Explained> Explainer::tell_submission(Submission question) {
  Explained explained;
  CO_TRY(const bool is_login, co_await find_login(&explained, &question.account));
  if (!is_login) co_return explained;
  const Client client{.account = question.account};
  const auto sender = read_sender(question.sender, question.recipient.value_or(""));
  if (!sender) co_return refuse(std::move(explained), sender.error());
  const auto may = co_await ask_sender(
      sources_.directory, config_.submission, client,
      {.account = question.account, .address = *sender, .told = &explained.steps});
  conclude(explained, may, sender_taken());
  if (explained.outcome != Explained::Outcome::taken || !question.recipient) co_return explained;
  const auto address = read_recipient(*question.recipient, question.sender);
  if (!address) co_return refuse(std::move(explained), address.error());
  CO_TRY_OK(co_await take_recipient(&explained, &client,
                                    {.address = *address, .is_notice = sender->empty()}, *sender));
  co_return explained;
}

net::Task<Explained> Explainer::tell_relay(Relay question) {
  Explained explained;
  const auto sender = read_sender(question.sender, question.address);
  if (!sender) co_return refuse(std::move(explained), sender.error());
  const auto address = read_recipient(question.address, question.sender);
  if (!address) co_return refuse(std::move(explained), address.error());
  CO_TRY(const auto why_not,
         co_await plan(&explained, {.address = *address, .sender = *sender}, ""));
  // No mailbox of ours: what else it may be RCPT asks, and the queue gets whom that leads to.
  if (why_not == Reason::unknown) {
    explained.leads.clear();
    const Client stranger;
    CO_TRY_OK(co_await take_recipient(&explained, &stranger, {.address = *address}, *sender));
  }
  co_return explained;
}

// RCPT, and then what the queue does with each whom it leads to.
net::Task<> Explainer::take_recipient(Explained* explained, const Client* client,
                                      RecipientQuestion question, std::string sender) {
  question.told = &explained->steps;
  const std::string address = question.address;
  const auto answer = co_await ask_recipient(sources_.directory, *client, std::move(question));
  conclude(*explained, answer, recipient_taken());
  if (explained->outcome != Explained::Outcome::taken) co_return Result<>{};
  const Explained at_rcpt = *explained;
  const Expansion& expansion = **answer;
  for (std::size_t i = 0; i < expansion.recipients.size(); ++i) {
    const std::string by = i < expansion.by.size() ? expansion.by[i] : "";
    if (i >= kPlansMax) {
      explained->leads.push_back({expansion.recipients[i], by, ""});
      continue;
    }
    PlanQuestion asked{.address = expansion.recipients[i], .sender = sender};
    // As the queue asks for mail of a stranger: by what he wrote.
    if (client->account.empty()) asked.named = address;
    CO_TRY_OK(co_await plan(explained, std::move(asked), by));
  }
  explained->outcome = at_rcpt.outcome;
  explained->reply = at_rcpt.reply;
  explained->why = at_rcpt.why;
  co_return Result<>{};
}

net::Task<std::optional<Reason>> Explainer::plan(Explained* explained, PlanQuestion question,
                                                 std::string by) {
  question.told = &explained->steps;
  Leads leads{.address = question.address, .by = std::move(by), .way = {}};
  const std::string sender = question.sender;
  const auto answer = co_await sources_.directory.plan(std::move(question));
  conclude(*explained, answer, recipient_taken());
  if (!answer) {
    leads.way = fmt::format("waits: {}", answer.error().what);
  } else if (!*answer) {
    const Refusal& refusal = answer->error();
    const bool is_put_off = refusal.code < 500;
    leads.way = fmt::format("{}: {} {} {}", is_put_off ? "waits" : "comes back", refusal.code,
                            refusal.enhanced, refusal.text);
    if (is_put_off) {
      explained->outcome = Explained::Outcome::unasked;
      explained->why = "the transport table says so";
    }
  } else {
    leads.way = way_of(**answer);
    const std::string& basis =
        std::visit([](const auto& one) -> const std::string& { return one.by; }, **answer);
    if (!basis.empty() && !leads.by.ends_with(basis))
      leads.by += (leads.by.empty() ? "" : ", ") + basis;
  }
  explained->leads.push_back(std::move(leads));
  co_return answer && !*answer ? std::optional(answer->error().reason) : std::nullopt;
}

}  // namespace posthorn::route
