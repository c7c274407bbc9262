#include "sieve/libsieve/sequence.h"

#include <algorithm>

namespace posthorn::sieve::libsieve {
namespace {

void add_flags(std::vector<std::string>& to, const std::vector<std::string>& more) {
  for (const std::string& flag : more)
    if (std::ranges::find(to, flag) == to.end()) to.push_back(flag);
}

// What all scripts so far want. The keep stands apart: only the last one's is carried out.
class Wishes {
 public:
  // Is a keep in effect?
  bool add(const std::vector<Action>& actions, std::size_t script) {
    script_ = script;
    keep_.reset();
    for (const Action& action : actions) {
      if (const auto* keep = std::get_if<Keep>(&action)) {
        add_flags(flags_, keep->flags);
        keep_ = Keep{flags_};
      } else if (const auto* into = std::get_if<FileInto>(&action)) {
        add(*into);
      } else if (const auto* redirect = std::get_if<Redirect>(&action)) {
        add(*redirect);
      } else if (std::holds_alternative<Reject>(action)) {
        append(action);
      }
    }
    return keep_.has_value();
  }
  std::optional<Error> find_fault() const {
    if (redirects_ > kRedirectsMax)
      return Error{ErrorKind::permanent, "more than 4 redirects with those before it"};
    if (actions_.size() > kActionsMax)
      return Error{ErrorKind::permanent, "more than 32 actions with those before it"};
    return std::nullopt;
  }
  Outcome take() {
    if (keep_) append(*std::move(keep_));
    if (actions_.empty()) append(Discard{});
    return {.actions = std::move(actions_), .by = std::move(by_), .fault = {}};
  }
  // Because of this script.
  void keep(std::size_t script) {
    keep_ = Keep{flags_};
    script_ = script;
  }

 private:
  void append(Action action) {
    actions_.push_back(std::move(action));
    by_.push_back(script_);
  }
  void add(const FileInto& into) {
    for (Action& action : actions_)
      if (auto* known = std::get_if<FileInto>(&action); known && known->mailbox == into.mailbox)
        return add_flags(known->flags, into.flags);
    append(into);
  }
  void add(const Redirect& redirect) {
    for (const Action& action : actions_)
      if (const auto* known = std::get_if<Redirect>(&action);
          known && known->address == redirect.address)
        return;
    append(redirect);
    ++redirects_;
  }

  std::vector<Action> actions_;
  std::vector<std::size_t> by_;  // of each of actions_
  std::size_t script_ = 0;       // at work
  std::vector<std::string> flags_;
  std::optional<Keep> keep_ = Keep{};
  std::size_t redirects_ = 0;
};

}  // namespace

Outcome run_in_order(std::span<const Script* const> scripts, const Input& input) {
  Wishes wishes;
  for (std::size_t i = 0; i < scripts.size(); ++i) {
    const auto actions = scripts[i]->run(input);
    Wishes with = wishes;
    const bool goes_on = actions && with.add(*actions, i);
    const auto fault = actions ? with.find_fault() : std::optional(actions.error());
    if (fault) {
      wishes.keep(i);
      Outcome outcome = wishes.take();
      outcome.fault = fault;
      outcome.faulty = i;
      return outcome;
    }
    wishes = std::move(with);
    if (!goes_on) break;
  }
  return wishes.take();
}

}  // namespace posthorn::sieve::libsieve
