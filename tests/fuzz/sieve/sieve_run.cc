// Any script on any message: the run ends within its bounds, the message is never lost (delivered,
// answered, discarded by a script that says so, or a fault that keeps it), and the same script
// compiled anew decides the same. Input: the script, a line "==MAIL==", the message.
#include <algorithm>

#include "base/ascii.h"
#include "message/headers.h"
#include "sieve/compile.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;
using namespace posthorn::sieve;

// Has INBOX and Junk; nothing else is there.
class FuzzWorld final : public World {
 public:
  explicit FuzzWorld(Answer<std::string_view> text) : text_(text) {}
  Answer<std::string_view> text() override { return text_; }
  Answer<bool> has_mailbox(const std::string& mailbox) override {
    return mailbox == "INBOX" || mailbox == "Junk";
  }
  Answer<std::string> find_special_use(const std::string& use) override {
    return equals_ignoring_case(use, "\\Junk") ? "Junk" : "";
  }
  Answer<bool> has_special_use(const std::string& mailbox, const std::string& use) override {
    return mailbox == "Junk" && equals_ignoring_case(use, "\\Junk");
  }
  Answer<std::string> find_mailbox_id(const std::string& id) override {
    return id == "J1" ? "Junk" : "";
  }
  Answer<std::optional<std::string>> find_annotation(const std::string& /*mailbox*/,
                                                     const std::string& entry) override {
    return entry == "/private/comment" ? std::optional<std::string>("a comment") : std::nullopt;
  }
  Answer<bool> was_seen(const Seen& message) override { return message.id.size() % 2 == 1; }
  bool has_list(const std::string& list) override { return list == "friends"; }
  Answer<bool> is_listed(const std::string& /*list*/, const std::string& value) override {
    return value.size() % 2 == 1;
  }
  std::optional<std::string> environment(std::string_view item) override {
    return item == "name" ? std::optional<std::string>("Posthorn") : std::nullopt;
  }

 private:
  Answer<std::string_view> text_;
};

template <class T>
bool has(const Outcome& outcome) {
  return std::ranges::any_of(
      outcome.actions, [](const Action& action) { return std::holds_alternative<T>(action.what); });
}

void require_within_bounds(const Outcome& outcome, const Settings& settings) {
  if (outcome.end == Outcome::End::done) test::require(outcome.steps <= settings.steps_max);
  test::require(outcome.actions.size() <= settings.actions_max + 1);  // and the implicit keep
  test::require(outcome.seen.size() <= settings.seen_max);
  const auto sent = std::ranges::count_if(outcome.actions, [](const Action& action) {
    return std::holds_alternative<Redirect>(action.what) ||
           std::holds_alternative<Report>(action.what);
  });
  test::require(static_cast<std::size_t>(sent) <= settings.redirects_max);
}

// RFC 5228 section 2.10.2 and 2.10.6.
void require_not_lost(const Outcome& outcome, std::string_view script) {
  test::require(outcome.keeps == has<Keep>(outcome));
  if (outcome.end == Outcome::End::fault) test::require(!outcome.fault_text.empty());
  if (outcome.end != Outcome::End::done) test::require(outcome.keeps);
  if (outcome.keeps || has<FileInto>(outcome) || has<Redirect>(outcome) || has<Reject>(outcome))
    return;
  test::require(to_lower(script).find("discard") != std::string::npos);
}

void require_same(const Outcome& first, const Outcome& second) {
  test::require(first.end == second.end && first.fault == second.fault);
  test::require(first.steps == second.steps && first.log == second.log);
  test::require(first.actions.size() == second.actions.size());
  for (std::size_t i = 0; i < first.actions.size(); ++i) {
    const Action& a = first.actions[i];
    const Action& b = second.actions[i];
    test::require(a.what.index() == b.what.index() && a.line == b.line);
    test::require((a.version == nullptr) == (b.version == nullptr));
    if (a.version)
      test::require(a.version->header == b.version->header && a.version->body == b.version->body);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = test::text_of(data, size);
  constexpr std::string_view kCut = "==MAIL==\n";
  const std::size_t cut = input.find(kCut);
  const std::string_view script = input.substr(0, cut);
  const std::string_view wire =
      cut == std::string_view::npos
          ? "From: a@b.example\r\nTo: c+work@d.example\r\nSubject: hello\r\n\r\nbody\r\n"
          : input.substr(cut + kCut.size());
  CompileSettings compiling;
  compiling.lists = {"friends"};
  const ProgramPtr programs[] = {compile(script, compiling).program,
                                 compile(script, compiling).program};
  test::require((programs[0] == nullptr) == (programs[1] == nullptr));
  if (!programs[0]) return 0;
  Settings settings;
  settings.steps_max = 200'000;
  settings.user_email = "c@d.example";
  const auto end = message::find_header_end(wire, message::Input::whole);
  const Mail mail{.header = wire.substr(0, end ? end->header_size : wire.size()),
                  .size = wire.size(),
                  .sender = "a@b.example",
                  .recipient = "c+work@d.example"};
  const std::chrono::system_clock::time_point now{std::chrono::seconds(1'600'000'000)};
  FuzzWorld world(wire);
  const auto run = [&](const ProgramPtr& program, World& asked) {
    return run_programs({&program, 1}, {mail, asked, settings, now});
  };
  const Outcome outcome = run(programs[0], world);
  test::require(outcome.end != Outcome::End::waiting);
  require_within_bounds(outcome, settings);
  require_not_lost(outcome, script);
  require_same(outcome, run(programs[1], world));
  // Without the body the run waits for it, or does not need it.
  FuzzWorld bodiless{std::nullopt};
  const Outcome other = run(programs[0], bodiless);
  if (other.end == Outcome::End::waiting)
    require_not_lost(other, script);
  else
    require_same(outcome, other);
  return 0;
}
