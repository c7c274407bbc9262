// A program at work on one message: it decides, and changes nothing but its own state. It always
// ends: every step costs, and what is beyond the bounds is a fault. The rows of ../extensions/ are
// called with it.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <typeindex>
#include <vector>

#include "sieve/language/actions.h"
#include "sieve/language/message_view.h"
#include "sieve/language/program.h"
#include "sieve/language/settings.h"
#include "sieve/language/world.h"

namespace posthorn::sieve {

// A command or a test of a program, as its row sees it: positional arguments by number, tagged ones
// by name. Texts are with their variables filled in, and good until the command ends.
class Call {
 public:
  Call(const Program& program, const Node& node) : program_(program), node_(node) {}

  const Program& program() const { return program_; }
  const Node& node() const { return node_; }
  const Matching& matching() const { return comparison().matching; }
  const AddressPartRow& address_part() const { return *comparison().address_part; }
  const Arg& arg(std::size_t which) const { return program_.arguments[node_.args + which]; }
  const Arg* tag(std::string_view name) const;
  bool has(std::string_view name) const { return tag(name) != nullptr; }
  std::uint64_t number(std::size_t which) const { return arg(which).number; }
  std::string_view text(Run& run, std::size_t which) const { return text(run, arg(which)); }
  std::string_view text(Run& run, const Arg& arg) const;
  // nullopt: the tag is not there.
  std::optional<std::string_view> text(Run& run, std::string_view tag_name) const;
  std::vector<std::string_view> list(Run& run, std::size_t which) const {
    return list(run, arg(which));
  }
  std::vector<std::string_view> list(Run& run, const Arg& arg) const;
  std::span<const Node> tests() const {
    return std::span(program_.nodes).subspan(node_.tests, node_.tests_count);
  }

 private:
  const Comparison& comparison() const { return program_.comparisons[node_.comparison]; }

  const Program& program_;
  const Node& node_;
};

// What `sieve test --trace` shows: a line a test or command, with the values it saw.
using Trace = std::function<void(std::string_view script, std::uint32_t line, std::string text)>;

struct RunInput {
  const Mail& mail;
  World& world;
  const Settings& settings;
  std::chrono::system_clock::time_point now;
  std::chrono::minutes zone{};                                     // of local time, east of UTC
  Trace trace = nullptr;                                           // nullptr: none
  enum class Event { delivery, mailbox } event = Event::delivery;  // mailbox: RFC 6785
};

struct Outcome {
  enum class End {
    done,
    fault,   // keep the message: actions are a Keep, and what the programs before the one that
             // failed wanted (RFC 5228 section 2.10.6)
    waiting  // the World had no answer yet: get it and run again
  };
  End end = End::done;
  std::vector<Action> actions;      // with the implicit keep; empty: discard silently
  bool keeps = true;                // a keep, implicit or explicit, is among them
  std::vector<Seen> seen;           // to be noted
  std::vector<std::string> log;     // debug_log's lines
  std::vector<std::string> doubts;  // told to the owner's log, the run went on
  std::string fault;                // "script:line: why"
  std::string fault_text;           // why alone
  ScriptLine fault_at;              // where alone
  ScriptLine dropped_by;            // what last said that the message is not kept; only if !keeps
  std::vector<ScriptLine> repeats;  // tests (RFC 7352) that have seen the message before
  std::uint64_t steps = 0;
};

// Programs one after another: the next one runs while a keep is in effect at the end of the one
// before it; storing that keep waits for the last of them. None: Keep.
Outcome run_programs(std::span<const ProgramPtr> programs, const RunInput& input);

class Run {
 public:
  explicit Run(const RunInput& input);

  const RunInput& input() const { return input_; }
  const Mail& mail() const { return input_.mail; }
  World& world() { return input_.world; }
  const Settings& settings() const { return input_.settings; }
  MessageView& message() { return message_; }

  bool holds(const Program& program, const Node& test);
  Flow block(const Call& call);  // of the call
  Flow commands(const Program& program, std::uint32_t first, std::uint32_t count);
  // An included script, with variables of its own (RFC 6609 section 3.4).
  Flow script(const Program& program);

  // The run ends here, the message is kept.
  Flow fail(std::string why);
  bool has_ended() const { return ended_; }
  // False: the bound is passed, and the run has ended.
  bool spend(std::uint64_t steps);
  // The World's answer, or a value of no meaning: then the run has ended.
  template <class T>
  T ask(Answer<T> answer) {
    if (answer) return *std::move(answer);
    if (!ended_) is_waiting_ = ended_ = true;
    return T{};
  }
  void doubt(std::string text) { outcome_.doubts.push_back(std::move(text)); }
  void log(std::string text) { outcome_.log.push_back(std::move(text)); }
  bool is_traced() const { return input_.trace != nullptr; }
  void trace(std::string text);

  // Takes an action, as the call's tags change it; it cancels the implicit keep unless it keeps.
  Flow act(const Call& call, Action action);
  const std::vector<Action>& actions() const { return outcome_.actions; }
  Flow note(Seen seen);
  // A test at work has seen the message before.
  void tell_repeat();

  // What came of it so far, with the implicit keep; and as if nothing had been done yet. Tests that
  // are written in Sieve take their own actions apart so.
  Outcome outcome_so_far();
  void begin_anew();

  // RFC 5229. Names in any case.
  std::string_view variable(std::string_view name) const;
  bool has_variable(std::string_view name) const;
  Flow set_variable(std::string_view name, std::string value);
  // RFC 6609 section 3.4: from here on the script at work has the variable in common with those
  // that include it and that it includes.
  void share_variable(std::string_view name);
  std::string_view shared_variable(std::string_view name) const;
  // ${0}, ${1} …: what the last :matches or :regex that held had in the place of its wildcards.
  void set_match_values(std::vector<std::string> values);
  bool wants_match_values() const;
  std::string_view expand(std::string_view text);  // good until the command ends
  // A text that must live as long as the command.
  std::string_view keep(std::string text);

  // A row's own state for this script, made when it is first asked for.
  template <class T>
  T& state() {
    std::shared_ptr<void>& place = states_[std::type_index(typeid(T))];
    if (!place) place = std::make_shared<T>();
    return *static_cast<T*>(place.get());
  }

  // RFC 5232: the internal variable.
  Flags flags;
  std::string loop_to_leave;  // of Flow::broken; empty: the innermost
  // RFC 5703 section 3: of each open loop the part that it is at, by its place in the message's
  // all_parts(), the innermost last. Outside of loops the part is the message.
  std::vector<std::size_t> loops;
  std::size_t part() const { return loops.empty() ? 0 : loops.back(); }
  const Program* program() const { return program_; }
  std::uint32_t line() const { return line_; }
  const Language* language = nullptr;

 private:
  friend Outcome run_programs(std::span<const ProgramPtr> programs, const RunInput& input);
  Flow command(const Program& program, const Node& node);
  Flow branch(const Program& program, const Node& node, bool& is_taken);
  bool merge(Action& action);
  void begin(const Program& program);
  std::optional<std::string> value_of(std::string_view name);

  const RunInput& input_;
  MessageView message_;
  Outcome outcome_;
  bool ended_ = false, is_waiting_ = false, implicit_keep_ = true;
  const Program* keep_ended_by_ = nullptr;  // and at this line
  std::uint32_t keep_ended_at_ = 0;
  using Variables = std::map<std::string, std::string, std::less<>>;
  Variables variables_, shared_variables_;
  std::set<std::string, std::less<>> shared_names_;
  std::vector<std::string> match_values_;
  std::deque<std::string> kept_;  // texts of the command at work
  std::map<std::type_index, std::shared_ptr<void>> states_;
  const Program* program_ = nullptr;
  const TestRow* test_ = nullptr;  // at work
  std::uint32_t line_ = 0;
  std::size_t redirects_ = 0;  // and reports
  std::size_t notifications_ = 0;
  std::size_t script_begin_ = 0;  // the first of its actions
};

// `error`: the run fails with the reason in the first argument.
Flow fail_with_reason(Run& run, const Call& call);

}  // namespace posthorn::sieve
