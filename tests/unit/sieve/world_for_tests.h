// A World that knows what a test tells it, and a short way to run a script on a mail.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sieve/compile.h"

namespace posthorn::sieve {

class WorldForTests : public World {
 public:
  std::string wire;
  bool has_text = true;
  std::set<std::string> mailboxes = {"INBOX"};
  std::map<std::string, std::string> uses, ids, items;
  std::map<std::pair<std::string, std::string>, std::string> annotations;
  std::set<std::string> seen;
  std::map<std::string, std::set<std::string>> lists;

  Answer<std::string_view> text() override {
    return has_text ? Answer<std::string_view>(wire) : std::nullopt;
  }
  Answer<bool> has_mailbox(const std::string& mailbox) override {
    return mailboxes.contains(mailbox);
  }
  Answer<std::string> find_special_use(const std::string& use) override {
    return uses.contains(use) ? uses[use] : "";
  }
  Answer<bool> has_special_use(const std::string& mailbox, const std::string& use) override {
    return uses.contains(use) && uses[use] == mailbox;
  }
  Answer<std::string> find_mailbox_id(const std::string& id) override {
    return ids.contains(id) ? ids[id] : "";
  }
  Answer<std::optional<std::string>> find_annotation(const std::string& mailbox,
                                                     const std::string& entry) override {
    const auto found = annotations.find({mailbox, entry});
    return found == annotations.end() ? std::optional<std::string>()
                                      : std::optional<std::string>(found->second);
  }
  Answer<bool> was_seen(const Seen& message) override { return seen.contains(message.id); }
  bool has_list(const std::string& list) override { return lists.contains(list); }
  Answer<bool> is_listed(const std::string& list, const std::string& value) override {
    return lists[list].contains(value);
  }
  std::optional<std::string> environment(std::string_view item) override {
    const auto found = items.find(std::string(item));
    return found == items.end() ? std::nullopt : std::optional(found->second);
  }
};

struct Tried {
  WorldForTests world;
  Settings settings;
  CompileSettings compiling;
  std::string sender = "alice@example.org", recipient = "bob@example.net";

  Outcome run(const std::string& script, std::string wire) {
    const CompileResult compiled = compile(script, compiling);
    if (!compiled.program) {
      Outcome none;
      none.end = Outcome::End::fault;
      for (const Fault& fault : compiled.faults)
        none.fault += std::to_string(fault.line) + ":" + std::to_string(fault.column) + ": " +
                      fault.text + "\n";
      return none;
    }
    return run({compiled.program}, std::move(wire));
  }
  Outcome run(const std::vector<ProgramPtr>& programs, std::string wire) {
    world.wire = std::move(wire);
    const auto end = message::find_header_end(world.wire, message::Input::whole);
    const Mail mail{.header = std::string_view(world.wire).substr(0, end ? end->header_size : 0),
                    .size = world.wire.size(),
                    .sender = sender,
                    .recipient = recipient};
    return run_programs(programs, {mail, world, settings, std::chrono::system_clock::now()});
  }
};

// "keep", "fileinto Junk", "redirect a@b", blanks and commas between.
inline std::string told(const Outcome& outcome) {
  if (outcome.end == Outcome::End::fault) return "fault: " + outcome.fault;
  if (outcome.end == Outcome::End::waiting) return "waiting";
  std::string out;
  for (const Action& action : outcome.actions) {
    if (!out.empty()) out += ", ";
    if (std::holds_alternative<Keep>(action.what)) out += "keep";
    if (const auto* into = std::get_if<FileInto>(&action.what))
      out += "fileinto " + into->place.mailbox;
    if (const auto* redirect = std::get_if<Redirect>(&action.what))
      out += "redirect " + redirect->address;
    if (const auto* reject = std::get_if<Reject>(&action.what)) out += "reject " + reject->reason;
    if (const auto* vacation = std::get_if<Vacation>(&action.what))
      out += "vacation " + vacation->reason;
    if (const auto* notify = std::get_if<Notify>(&action.what)) out += "notify " + notify->method;
  }
  return out.empty() ? "discard" : out;
}

}  // namespace posthorn::sieve
