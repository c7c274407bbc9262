// The world of a script under test, all in memory: the message and its envelope, mailboxes, lists,
// annotations, what was noted, and the mail that actions sent. It does what a result asks for, so
// that the test can look at what came of it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sieve/compile.h"

namespace posthorn::sieve::suite {

struct Stored {
  std::string wire;
  Flags flags;
};
struct Sent {
  std::string from;  // of the envelope; empty: the null sender
  std::string to;
  std::string wire;
};

// Settings that are the host's, not the run's.
struct HostSettings {
  // Envelope senders: sender, recipient, orig_recipient, user_email, postmaster or <address>.
  std::string redirect_from = "sender";
  std::string notify_from;  // empty: what the script names, else the null sender
  std::string report_from = "postmaster";
  // Of vacation: is mail answered only if it was written to the owner, is what the recipient was
  // before aliases one of the owner's addresses, and is the answer sent from the null sender.
  bool checks_recipient = true;
  bool uses_first_recipient = false;
  bool answers_from_recipient = false;
  std::map<std::string, std::string> items;            // of environment
  std::map<std::string, std::set<std::string>> lists;  // RFC 6134
};

class Host final : public World {
 public:
  explicit Host(const Language& language);

  // The message of this text, its envelope guessed of its header as a mailbox file would have it.
  void set_message(std::string text);
  void set_envelope(std::string_view part, std::string value);
  // From 0; false: there is none.
  bool take_sent(std::size_t which);
  bool take_stored(const std::string& mailbox, std::size_t which, Flags& flags);
  void forget_sent() { sent_.clear(); }
  void create_mailbox(const std::string& mailbox) { (void)mailboxes_[canonical(mailbox)]; }
  void set_annotation(const std::string& mailbox, const std::string& entry, std::string value);
  // False: no such setting, or no such value.
  bool set(const std::string& name, const std::string& value);
  bool unset(const std::string& name);

  // Of the folder of the test; its faults become errors().
  bool compile(const std::string& file);
  ProgramPtr compile_text(const std::string& name, const std::string& text);
  Outcome run(const std::vector<ProgramPtr>& programs);
  // The actions from the `done`th on; false: one failed, and why is an error.
  bool execute(const Outcome& outcome, std::size_t done);

  const Mail& mail() const { return mail_; }
  const std::vector<std::string>& errors() const { return errors_; }
  void fail(std::string error) { errors_.push_back(std::move(error)); }
  void forget_errors() { errors_.clear(); }
  const Settings& settings() const { return settings_; }

  std::string folder;  // of the test, for the scripts it names
  ProgramPtr script;   // that was compiled last
  std::map<std::string, ProgramPtr> saved;

  Answer<std::string_view> text() override { return wire_; }
  Answer<bool> has_mailbox(const std::string& mailbox) override;
  Answer<std::string> find_special_use(const std::string& use) override;
  Answer<bool> has_special_use(const std::string& mailbox, const std::string& use) override;
  Answer<std::string> find_mailbox_id(const std::string& id) override;
  Answer<std::optional<std::string>> find_annotation(const std::string& mailbox,
                                                     const std::string& entry) override;
  Answer<bool> was_seen(const Seen& message) override;
  bool has_list(const std::string& list) override;
  Answer<bool> is_listed(const std::string& list, const std::string& value) override;
  std::optional<std::string> environment(std::string_view item) override;

 private:
  static std::string canonical(const std::string& mailbox);
  void guess_envelope();
  void begin_message(std::string wire);
  bool store(const Place& place, std::string wire);
  bool redirect(const Redirect& redirect, std::string wire);
  std::string address_by(std::string_view policy) const;
  void answer(const Vacation& vacation);
  void notify(const Notify& notify);
  void report(const Report& report);
  void refuse(const Reject& reject);
  std::string wire_of(const Action& action) const;

  const Language& language_;
  std::string wire_;
  Mail mail_;
  std::map<std::string, std::vector<Stored>> mailboxes_;
  std::map<std::string, std::string> special_uses_;  // use to mailbox
  std::map<std::pair<std::string, std::string>, std::string> annotations_;
  std::set<std::string> seen_;
  std::vector<Sent> sent_;
  std::vector<std::string> errors_;
  Settings settings_;
  CompileSettings compile_settings_;
  HostSettings host_settings_;
};

std::optional<std::string> read_script(const std::string& path);

}  // namespace posthorn::sieve::suite
