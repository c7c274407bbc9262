#include "tools/explain.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

#include "base/log.h"
#include "maps/migrations.h"
#include "message/mailbox_address.h"
#include "net/networks.h"
#include "net/own_addresses.h"
#include "net/own_loop.h"
#include "process/instance.h"
#include "route/explainer.h"
#include "route/local_directory.h"
#include "tools/complain.h"
#include "tools/control.h"

namespace posthorn::tools {
namespace {

using Json = nlohmann::ordered_json;
using route::Explained;
using Outcome = Explained::Outcome;

// The parts of lookup that decide, in this process.
class Here {
 public:
  explicit Here(const config::Config& config)
      : config_(config),
        database_(maps::uses_pgsql(config) ? std::make_unique<maps::Pgsql>(
                                                 loop_.scope(), config.pgsql, maps::migrations(),
                                                 Clock::system(), maps::PgsqlQueries(config))
                                           : nullptr),
        rewriter_(pool_, config) {}
  ~Here() { pool_.join(); }
  Here(const Here&) = delete;
  Here& operator=(const Here&) = delete;

  Result<net::Message> ask(const net::Message& request) { return loop_.run(answer(this, request)); }

 private:
  static net::Task<net::Message> answer(Here* self, net::Message request) {
    std::vector<route::Explainer::Doubt> doubts = {
        {"the server is not running: its files were read here, and neither who is banned, nor who "
         "can log in, nor whether there is room in mailboxes can be asked"}};
    if (self->database_)
      if (const auto started = co_await self->database_->start(); !started)
        doubts.push_back({started.error().what});
    const maps::Loaded loaded =
        maps::load_tables(self->config_, {.database = self->database_.get()});
    for (const config::Finding& fault : loaded.faults)
      doubts.push_back({fault.text(), fault.where});
    const net::Prepared secrets = co_await self->rewriter_.prepare();
    for (const config::Finding& fault : secrets.findings)
      doubts.push_back({fault.text(), fault.where});
    (void)self->rewriter_.commit();
    const maps::Reloader tables(self->loop_.scope(), self->pool_, self->config_, loaded.set,
                                self->database_.get());
    route::LocalDirectory directory(self->config_, tables, &self->rewriter_, net::own_addresses());
    route::Explainer explainer(self->config_,
                               {.directory = directory, .doubts = std::move(doubts)});
    auto answered = co_await route::answer_explain(explainer, request);
    if (self->database_) self->database_->stop();
    co_return answered ? *std::move(answered) : net::Message("temporary");
  }

  const config::Config& config_;
  net::BlockingPool pool_{1};
  net::OwnLoop loop_;
  std::unique_ptr<maps::Pgsql> database_;
  route::Rewriter rewriter_;
};

Result<Explained> explain(const config::Config& config, const net::Message& request) {
  TRY(const auto running, process::find_instance(config));
  if (running) {
    TRY(const auto answer, ask_server(config, "lookup-control.sock", request));
    return route::read_explained(answer);
  }
  log::start({.level = log::Level::error, .role = "tool", .file = "/dev/stderr"});
  Here here(config);
  TRY(const auto answer, here.ask(request));
  return route::read_explained(answer);
}

std::string_view name_of(Outcome outcome) {
  return outcome == Outcome::taken ? "taken" : outcome == Outcome::refused ? "refused" : "unasked";
}

int exit_code(Outcome outcome) {
  return outcome == Outcome::taken ? 0 : outcome == Outcome::refused ? 1 : kExitUnasked;
}

// Addresses are what strangers wrote: a terminal gets no control characters of theirs.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    out += u < 0x20 || u == 0x7F ? '?' : c;
  }
  return out;
}

std::string with_basis(const std::string& text, const std::string& basis) {
  return printable(basis.empty() ? text : fmt::format("{} [{}]", text, basis));
}

void print_json(const Explained& explained, const Json& question) {
  Json out = {{"question", question},
              {"outcome", name_of(explained.outcome)},
              {"reply",
               {{"code", explained.reply.code},
                {"status", explained.reply.enhanced},
                {"text", explained.reply.text}}},
              {"why", explained.why},
              {"steps", Json::array()},
              {"steps_left_out", explained.steps.left_out()},
              {"recipients", Json::array()},
              {"recipients_left_out", explained.leads_left_out}};
  for (const route::Step& step : explained.steps.steps()) {
    Json one = {{"decision", to_string(step.decision)}, {"text", step.text}, {"basis", step.basis}};
    if (!step.table.empty()) {
      one["table"] = step.table;
      one["key"] = step.key;
      one["found"] = step.found ? Json(*step.found) : Json();
    }
    out["steps"].push_back(std::move(one));
  }
  for (const route::Leads& leads : explained.leads)
    out["recipients"].push_back({{"address", leads.address}, {"by", leads.by}, {"way", leads.way}});
  fmt::print("{}\n", out.dump(2, ' ', false, Json::error_handler_t::replace));
}

// What was said before says nothing new: the queue asks once more what RCPT asked. The JSON has
// each.
void print_steps(const Explained& explained) {
  std::set<std::string> told;
  for (const route::Step& step : explained.steps.steps())
    if (const auto [line, is_new] = told.insert(with_basis(step.text, step.basis)); is_new)
      fmt::print("{}\n", *line);
  if (explained.steps.left_out() > 0) fmt::print("and {} more steps\n", explained.steps.left_out());
  for (const route::Leads& leads : explained.leads)
    fmt::print("{}\n",
               with_basis(leads.way.empty() ? fmt::format("it is for {}", leads.address)
                                            : fmt::format("for {}: {}", leads.address, leads.way),
                          leads.by));
  if (explained.leads_left_out > 0)
    fmt::print("and {} more recipients\n", explained.leads_left_out);
}

enum class Last { reply, way };

void print_text(const Explained& explained, Last last) {
  print_steps(explained);
  if (last == Last::way && explained.outcome == Outcome::taken) {
    fmt::print("It goes on\n");
    return;
  }
  const route::Reply& reply = explained.reply;
  const std::string said =
      printable(fmt::format("{} {} {}", reply.code, reply.enhanced, reply.text));
  if (explained.outcome == Outcome::taken)
    fmt::print("Taken: {}\n", said);
  else if (explained.outcome == Outcome::refused)
    fmt::print("{}: {}\n", last == Last::way ? "It comes back" : "Refused", said);
  else
    fmt::print("Put off: {} ({})\n", said, printable(explained.why));
}

int run(const config::Config& config, const ExplainOptions& options, const net::Message& request,
        Last last) {
  const auto explained = explain(config, request);
  if (!explained) return complain(explained.error().what, kExitUnasked);
  if (options.json) {
    Json question;
    for (const auto& [key, value] : request.fields) question[key] = value;
    print_json(*explained, question);
  } else {
    print_text(*explained, last);
  }
  return exit_code(explained->outcome);
}

// "<>" is the null sender.
std::string bare(const std::string& sender) {
  return sender.starts_with('<') && sender.ends_with('>') ? sender.substr(1, sender.size() - 2)
                                                          : sender;
}

}  // namespace

int explain_recipient(const config::Config& config, const ExplainOptions& options) {
  net::Message request("explain");
  request.add("of", "recipient").add("address", bare(options.address));
  if (!options.sender.empty()) request.add("sender", bare(options.sender));
  if (!options.client.empty()) {
    if (net::address_bytes(options.client).empty())
      return complain(fmt::format("--ip: \"{}\" is no address", options.client), 2);
    request.add("client", options.client);
  }
  return run(config, options, request, Last::reply);
}

int explain_submission(const config::Config& config, const ExplainOptions& options) {
  net::Message request("explain");
  request.add("of", "submission")
      .add("account", message::to_lower(options.account))
      .add("sender", bare(options.sender));
  if (!options.address.empty()) request.add("address", bare(options.address));
  return run(config, options, request, Last::reply);
}

int explain_relay(const config::Config& config, const ExplainOptions& options) {
  net::Message request("explain");
  request.add("of", "relay").add("address", bare(options.address));
  if (!options.sender.empty()) request.add("sender", bare(options.sender));
  return run(config, options, request, Last::way);
}

}  // namespace posthorn::tools
