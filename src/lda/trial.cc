#include "lda/trial.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lda/decision.h"
#include "message/address.h"
#include "message/headers.h"

namespace posthorn::lda {
namespace {

class TrialWorld final : public sieve::World {
 public:
  TrialWorld(const std::string& wire, const config::Config& config)
      : wire_(wire), config_(config) {}
  sieve::Answer<std::string_view> text() override { return wire_; }
  sieve::Answer<bool> has_mailbox(const std::string& mailbox) override {
    return mailbox == "INBOX";
  }
  sieve::Answer<std::string> find_special_use(const std::string& /*use*/) override { return ""; }
  sieve::Answer<bool> has_special_use(const std::string& /*mailbox*/,
                                      const std::string& /*use*/) override {
    return false;
  }
  sieve::Answer<std::string> find_mailbox_id(const std::string& /*id*/) override { return ""; }
  sieve::Answer<std::optional<std::string>> find_annotation(const std::string& /*mailbox*/,
                                                            const std::string& /*entry*/) override {
    return std::optional<std::string>();
  }
  sieve::Answer<bool> was_seen(const sieve::Seen& /*message*/) override { return false; }
  bool has_list(const std::string& list) override { return config_.sieve.lists.contains(list); }
  sieve::Answer<bool> is_listed(const std::string& /*list*/,
                                const std::string& /*value*/) override {
    return false;
  }
  std::optional<std::string> environment(std::string_view item) override {
    return item == "host" ? std::optional(config_.server.hostname) : std::nullopt;
  }

 private:
  const std::string& wire_;
  const config::Config& config_;
};

// The first address of the first of these fields that has one.
std::string address_in(const message::Headers& headers,
                       std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    if (const auto value = headers.find(name))
      for (const message::Address& one : message::parse_addresses(*value))
        if (one.mailbox && one.host) return fmt::format("{}@{}", *one.mailbox, *one.host);
  return {};
}

std::string with_flags(std::string text, const sieve::Flags& flags) {
  return flags.empty() ? text : fmt::format("{} with {}", text, fmt::join(flags, " "));
}

std::string words_of(const sieve::Action& action) {
  struct Words {
    std::string operator()(const sieve::Keep& keep) const { return with_flags("keep", keep.flags); }
    std::string operator()(const sieve::FileInto& into) const {
      return with_flags(fmt::format("fileinto \"{}\"", into.place.mailbox), into.place.flags);
    }
    std::string operator()(const sieve::Redirect& redirect) const {
      return fmt::format("redirect \"{}\"", redirect.address);
    }
    std::string operator()(const sieve::Discard& /*discard*/) const { return "discard"; }
    std::string operator()(const sieve::Reject& reject) const {
      return fmt::format("{} \"{}\"",
                         reject.how == sieve::Reject::How::reject ? "reject" : "ereject",
                         reject.reason);
    }
    std::string operator()(const sieve::Vacation& vacation) const {
      return fmt::format("vacation \"{}\"", vacation.reason);
    }
    std::string operator()(const sieve::Notify& notify) const {
      return fmt::format("notify \"{}\"", notify.method);
    }
    std::string operator()(const sieve::Report& report) const {
      return fmt::format("report \"{}\" to \"{}\"", report.type, report.address);
    }
  };
  std::string words = std::visit(Words{}, action.what);
  if (action.version) words += ", edited";
  return words;
}

std::string words_of_origin(const sieve::Action& action) {
  if (action.by == sieve::Action::By::no_rule) return "nothing said otherwise";
  if (action.by == sieve::Action::By::fault) return "because of the fault";
  return action.line == 0 ? action.script : fmt::format("{}:{}", action.script, action.line);
}

}  // namespace

Trial try_scripts(const Scripts& scripts, TrialMail mail, const config::Config& config,
                  Tracing tracing) {
  const auto end = message::find_header_end(mail.wire, message::Input::whole);
  const std::string_view block = std::string_view(mail.wire).substr(0, end ? end->header_size : 0);
  const message::Headers headers(block);
  const sieve::Mail as_it_is{
      .header = block,
      .size = mail.wire.size(),
      .sender = mail.from ? *mail.from : address_in(headers, {"Return-Path", "From"}),
      .recipient = mail.to ? *mail.to : address_in(headers, {"Delivered-To", "To"})};
  TrialWorld world(mail.wire, config);
  const sieve::Settings settings = settings_for(config, as_it_is.recipient);
  Trial trial;
  sieve::Trace trace;
  if (tracing == Tracing::on)
    trace = [&](std::string_view script, std::uint32_t line, const std::string& text) {
      trial.trace.push_back(fmt::format("{}:{}: {}", script, line, text));
    };
  trial.outcome = run_scripts(scripts, {.mail = as_it_is,
                                        .world = world,
                                        .settings = settings,
                                        .now = std::chrono::system_clock::now(),
                                        .trace = std::move(trace)});
  return trial;
}

std::vector<std::string> describe(const sieve::Outcome& outcome) {
  std::vector<std::string> lines;
  if (!outcome.fault.empty()) lines.push_back("fault: " + outcome.fault);
  for (const sieve::Action& action : outcome.actions)
    lines.push_back(fmt::format("{} ({})", words_of(action), words_of_origin(action)));
  if (outcome.actions.empty()) lines.emplace_back("discard");
  return lines;
}

}  // namespace posthorn::lda
