// An explanation over the line protocol: "ok", then outcome=, code=, enhanced=, text= and why=;
// each step begins with step= and has says= and what else there is of it; each final recipient
// begins with to=. What does not go into a line is left out and counted.
#include <fmt/format.h>

#include "base/ascii.h"
#include "route/explainer.h"

namespace posthorn::route {
namespace {

using Outcome = Explained::Outcome;

constexpr std::size_t kOctetsMax = net::kLineMax / 2;  // each may be escaped

constexpr std::pair<Outcome, std::string_view> kOutcomes[] = {
    {Outcome::taken, "taken"}, {Outcome::refused, "refused"}, {Outcome::unasked, "unasked"}};

void add_unless_empty(net::Message& message, std::string_view key, const std::string& value) {
  if (!value.empty()) message.add(key, value);
}

net::Message fields_of(const Step& step) {
  net::Message fields;
  fields.add("step", to_string(step.decision)).add("says", step.text);
  add_unless_empty(fields, "basis", step.basis);
  add_unless_empty(fields, "table", step.table);
  add_unless_empty(fields, "key", step.key);
  if (step.found) fields.add("found", *step.found);
  return fields;
}

net::Message fields_of(const Leads& leads) {
  net::Message fields;
  fields.add("to", leads.address);
  add_unless_empty(fields, "by", leads.by);
  add_unless_empty(fields, "way", leads.way);
  return fields;
}

std::size_t octets_of(const net::Message& message) {
  std::size_t octets = 0;
  for (const auto& [key, value] : message.fields) octets += key.size() + value.size() + 2;
  return octets;
}

}  // namespace

net::Message to_message(const Explained& explained) {
  net::Message message("ok");
  for (const auto& [outcome, name] : kOutcomes)
    if (outcome == explained.outcome) message.add("outcome", name);
  message.add("code", fmt::format("{}", explained.reply.code))
      .add("enhanced", explained.reply.enhanced)
      .add("text", explained.reply.text)
      .add("why", explained.why.substr(0, Explanation::kTextMax));
  std::size_t octets = octets_of(message);
  const auto append = [&](const net::Message& fields, std::size_t limit) {
    const std::size_t more = octets_of(fields);
    if (octets + more > limit) return false;
    octets += more;
    message.fields.insert(message.fields.end(), fields.fields.begin(), fields.fields.end());
    return true;
  };
  // The recipients have a quarter to themselves, however many the steps are.
  std::size_t left_out = explained.steps.left_out(), leads_left_out = 0;
  for (const Step& step : explained.steps.steps())
    if (!append(fields_of(step), kOctetsMax / 4 * 3)) ++left_out;
  for (const Leads& leads : explained.leads)
    if (!append(fields_of(leads), kOctetsMax)) ++leads_left_out;
  message.add("left_out", fmt::format("{}", left_out));
  message.add("leads_left_out", fmt::format("{}", leads_left_out));
  return message;
}

Result<Explained> read_explained(const net::Message& answer) {
  Explained explained;
  std::optional<Outcome> outcome;
  for (const auto& [known, name] : kOutcomes)
    if (answer.get("outcome") == name) outcome = known;
  if (answer.verb != "ok" || !outcome)
    return fail(ErrorKind::temporary, fmt::format("lookup: {}", answer.get("error")));
  explained.outcome = *outcome;
  explained.reply = {to_number<int>(answer.get("code")).value_or(451),
                     std::string(answer.get("enhanced")), std::string(answer.get("text"))};
  explained.why = answer.get("why");
  std::optional<Step> step;
  const auto end_step = [&] {
    if (step) explained.steps.add(*std::exchange(step, std::nullopt));
  };
  for (const auto& [key, value] : answer.fields) {
    if (key == "step" || key == "to") end_step();
    if (key == "step") step = Step{.decision = find_decision(value).value_or(Decision::lookup)};
    if (key == "to") explained.leads.push_back({value, "", ""});
    if (step && key == "says") step->text = value;
    if (step && key == "basis") step->basis = value;
    if (step && key == "table") step->table = value;
    if (step && key == "key") step->key = value;
    if (step && key == "found") step->found = value;
    if (!explained.leads.empty() && key == "by") explained.leads.back().by = value;
    if (!explained.leads.empty() && key == "way") explained.leads.back().way = value;
  }
  end_step();
  explained.steps.leave_out(to_number<std::size_t>(answer.get("left_out")).value_or(0));
  explained.leads_left_out = to_number<std::size_t>(answer.get("leads_left_out")).value_or(0);
  return explained;
}

net::Awaitable<std::optional<net::Message>> answer_explain(Explainer& explainer,
                                                           const net::Message& request) {
  if (request.verb != "explain") co_return std::nullopt;
  const std::string address(request.get("address")), sender(request.get("sender"));
  const std::string_view of = request.get("of");
  Result<Explained> explained = fail(ErrorKind::permanent, "explain what?");
  if (of == "recipient")
    explained = co_await explainer.explain_recipient(
        {.address = address,
         .sender = request.find("sender") ? std::optional(sender) : std::nullopt,
         .client = std::string(request.get("client"))});
  else if (of == "submission")
    explained = co_await explainer.explain_submission(
        {.account = std::string(request.get("account")),
         .sender = sender,
         .recipient = request.find("address") ? std::optional(address) : std::nullopt});
  else if (of == "relay")
    explained = co_await explainer.explain_relay({.address = address, .sender = sender});
  if (!explained) co_return net::Message("temporary").add("error", explained.error().what);
  co_return to_message(*explained);
}

}  // namespace posthorn::route
