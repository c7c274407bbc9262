#include "suite_host.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <fstream>
#include <sstream>

#include "base/ascii.h"
#include "base/utf8.h"
#include "message/address.h"
#include "message/headers.h"
#include "sieve/extensions/addresses.h"
#include "store/mailbox_name.h"

namespace posthorn::sieve::suite {
namespace {

std::string to_wire(std::string_view text) {
  std::string wire;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) wire += '\r';
    wire += text[i];
  }
  return wire;
}

// "a@b" of "<a@b>" or "a@b".
std::string without_brackets(std::string_view address) {
  address = trim(address);
  if (address.starts_with('<') && address.ends_with('>'))
    return std::string(address.substr(1, address.size() - 2));
  return std::string(address);
}

std::optional<std::string> first_address(const message::Headers& headers, std::string_view name) {
  const auto value = headers.find(name);
  if (!value) return std::nullopt;
  for (const message::Address& address : message::parse_addresses(*value)) {
    if (!address.mailbox || address.mailbox->empty()) continue;
    if (address.host && !address.host->empty()) return *address.mailbox + "@" + *address.host;
  }
  return std::nullopt;
}

std::string first_of(const message::Headers& headers, std::initializer_list<std::string_view> names,
                     std::string otherwise) {
  for (const std::string_view name : names)
    if (auto address = first_address(headers, name)) return *std::move(address);
  return otherwise;
}

std::size_t header_size(std::string_view wire) {
  const auto end = message::find_header_end(wire, message::Input::whole);
  return end ? end->header_size : wire.size();
}

}  // namespace

std::optional<std::string> read_script(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

Host::Host(const Language& language) : language_(language) {
  mailboxes_["INBOX"];
  compile_settings_.find_script = [this](Location location, const std::string& name) {
    const char* beneath = location == Location::personal ? "/included/" : "/included-global/";
    return read_script(folder + beneath + name + ".sieve");
  };
  set_message("From: sender@example.com\nTo: recipient@example.org\nSubject: Frop!\n\nFriep!\n");
}

std::string Host::canonical(const std::string& mailbox) {
  // As the server takes a script's names; what no mailbox can be called stays as it is.
  return store::mailbox_name_from(mailbox).value_or(mailbox);
}

void Host::begin_message(std::string wire) {
  wire_ = std::move(wire);
  mail_.header = std::string_view(wire_).substr(0, header_size(wire_));
  mail_.size = wire_.size();
}

void Host::guess_envelope() {
  const message::Headers headers(mail_.header);
  mail_.recipient = first_of(headers, {"Envelope-To", "To"}, "recipient@example.com");
  mail_.first_recipient = mail_.recipient;
  mail_.sender = first_of(headers, {"Return-Path", "Sender", "From"}, "sender@example.com");
  mail_.authenticated.clear();
}

void Host::set_message(std::string text) {
  begin_message(to_wire(text));
  guess_envelope();
}

void Host::set_envelope(std::string_view part, std::string value) {
  std::string address = without_brackets(value);
  if (part == "from") mail_.sender = address;
  if (part == "to") mail_.recipient = mail_.first_recipient = address;
  if (part == "orig_to") mail_.first_recipient = address;
  if (part == "auth") mail_.authenticated = std::move(value);
  // RFC 6009: what SMTP said of delivery reports, each in SMTP's own form.
  if (part == "notify") mail_.notify = std::move(value);
  if (part == "ret") mail_.ret = std::move(value);
  if (part == "envid") mail_.envelope_id = std::move(value);
  if (part == "orcpt") mail_.orcpt = std::move(value);
  if (part == "bytimeabsolute") mail_.by_time = std::move(value);
  if (part == "bymode") mail_.by_mode = std::move(value);
}

bool Host::take_sent(std::size_t which) {
  if (which >= sent_.size()) return false;
  begin_message(sent_[which].wire);
  guess_envelope();
  mail_.sender = sent_[which].from;
  mail_.recipient = mail_.first_recipient = sent_[which].to;
  return true;
}

bool Host::take_stored(const std::string& mailbox, std::size_t which, Flags& flags) {
  const auto found = mailboxes_.find(canonical(mailbox));
  if (found == mailboxes_.end() || which >= found->second.size()) return false;
  begin_message(found->second[which].wire);
  guess_envelope();
  flags = found->second[which].flags;
  return true;
}

void Host::set_annotation(const std::string& mailbox, const std::string& entry, std::string value) {
  annotations_[{canonical(mailbox), to_lower(entry)}] = std::move(value);
}

ProgramPtr Host::compile_text(const std::string& name, const std::string& text) {
  CompileSettings settings = compile_settings_;
  settings.name = name;
  for (const auto& [list, values] : host_settings_.lists) settings.lists.insert(list);
  Includes includes;
  CompileResult result = Checker(language_, settings, includes).compile(text);
  for (const Fault& fault : result.faults) errors_.push_back(fault.text);
  if (!result.program) errors_.emplace_back("the script is not accepted");
  return std::move(result.program);
}

bool Host::compile(const std::string& file) {
  errors_.clear();
  const auto text = read_script(folder + "/" + file);
  if (!text) {
    errors_.push_back(fmt::format("there is no file {}", file));
    return false;
  }
  ProgramPtr program = compile_text(file, *text);
  if (program) script = program;
  return program != nullptr;
}

Outcome Host::run(const std::vector<ProgramPtr>& programs) {
  errors_.clear();
  Outcome outcome = run_programs(programs, {.mail = mail_,
                                            .world = *this,
                                            .settings = settings_,
                                            .now = std::chrono::system_clock::now()});
  errors_.insert(errors_.end(), outcome.doubts.begin(), outcome.doubts.end());
  if (outcome.end == Outcome::End::fault) errors_.push_back(outcome.fault_text);
  return outcome;
}

std::string Host::wire_of(const Action& action) const {
  if (!action.version) return wire_;
  const auto end = message::find_header_end(wire_, message::Input::whole);
  const std::string body = end ? wire_.substr(end->body_begin) : std::string();
  return action.version->header + "\r\n" + action.version->body.value_or(body);
}

bool Host::store(const Place& place, std::string wire) {
  std::string mailbox = canonical(place.mailbox);
  if (!place.mailbox_id.empty()) {
    const std::string found = *find_mailbox_id(place.mailbox_id);
    if (!found.empty()) mailbox = found;
  } else if (const auto used = special_uses_.find(to_lower(place.special_use));
             !place.special_use.empty() && used != special_uses_.end()) {
    mailbox = used->second;
  }
  if (!mailboxes_.contains(mailbox)) {
    if (!store::mailbox_name_from(mailbox)) {
      errors_.push_back(
          fmt::format("failed to store into mailbox {}: no such name", place.mailbox));
      return false;
    }
    if (place.create == Create::no) {
      errors_.push_back(fmt::format("failed to store into mailbox {}: it does not exist", mailbox));
      return false;
    }
    if (!place.special_use.empty()) special_uses_[to_lower(place.special_use)] = mailbox;
  }
  mailboxes_[mailbox].push_back({std::move(wire), place.flags});
  return true;
}

std::string Host::address_by(std::string_view policy) const {
  policy = trim(policy);
  if (policy == "sender") return mail_.sender;
  if (policy == "recipient") return mail_.recipient;
  if (policy == "orig_recipient") return mail_.first_recipient;
  if (policy == "user_email")
    return settings_.user_email.empty() ? mail_.recipient : settings_.user_email;
  if (policy.starts_with('<')) return without_brackets(policy);
  return "postmaster@example.com";
}

bool Host::redirect(const Redirect& redirect, std::string wire) {
  const message::Headers headers(std::string_view(wire).substr(0, header_size(wire)));
  for (const std::string& loop : headers.find_all("X-Sieve-Redirected-From"))
    if (equals_ignoring_case(loop, mail_.recipient) ||
        (!settings_.user_email.empty() && equals_ignoring_case(loop, settings_.user_email))) {
      return true;  // it came back; the message is lost nowhere, it was here before
    }
  const std::string& owner = settings_.user_email.empty() ? mail_.recipient : settings_.user_email;
  std::string from = address_by(host_settings_.redirect_from);
  if (mail_.sender.empty()) from.clear();
  sent_.push_back({std::move(from), redirect.address,
                   fmt::format("X-Sieve-Redirected-From: {}\r\n{}", owner, wire)});
  return true;
}

bool Host::execute(const Outcome& outcome, std::size_t done) {
  bool is_good = true;
  for (std::size_t i = done; i < outcome.actions.size() && is_good; ++i) {
    const Action& action = outcome.actions[i];
    if (const auto* keep = std::get_if<Keep>(&action.what))
      is_good = store({.mailbox = "INBOX", .flags = keep->flags}, wire_of(action));
    if (const auto* into = std::get_if<FileInto>(&action.what))
      is_good = store(into->place, wire_of(action));
    if (const auto* target = std::get_if<Redirect>(&action.what))
      is_good = redirect(*target, wire_of(action));
    if (const auto* reject = std::get_if<Reject>(&action.what)) refuse(*reject);
    if (const auto* vacation = std::get_if<Vacation>(&action.what)) answer(*vacation);
    if (const auto* notification = std::get_if<Notify>(&action.what)) notify(*notification);
    if (const auto* complaint = std::get_if<Report>(&action.what)) report(*complaint);
  }
  for (const Seen& seen : outcome.seen) seen_.insert(seen.handle + '\0' + seen.id);
  // RFC 5228 section 2.10.6: what could not be done keeps the message.
  if (!is_good && !outcome.keeps) (void)store({.mailbox = "INBOX"}, wire_);
  return is_good;
}

Answer<bool> Host::has_mailbox(const std::string& mailbox) {
  return mailboxes_.contains(canonical(mailbox));
}

Answer<std::string> Host::find_special_use(const std::string& use) {
  const auto found = special_uses_.find(to_lower(use));
  return found == special_uses_.end() ? std::string() : found->second;
}

Answer<bool> Host::has_special_use(const std::string& mailbox, const std::string& use) {
  const auto found = special_uses_.find(to_lower(use));
  return found != special_uses_.end() && found->second == canonical(mailbox);
}

// A mailbox's id is its name in front of which "id-" stands.
Answer<std::string> Host::find_mailbox_id(const std::string& id) {
  const std::string mailbox = id.starts_with("id-") ? canonical(id.substr(3)) : std::string();
  return mailboxes_.contains(mailbox) ? mailbox : std::string();
}

Answer<std::optional<std::string>> Host::find_annotation(const std::string& mailbox,
                                                         const std::string& entry) {
  const auto found = annotations_.find({canonical(mailbox), to_lower(entry)});
  if (found == annotations_.end()) return std::optional<std::string>();
  return std::optional(found->second);
}

Answer<bool> Host::was_seen(const Seen& message) {
  return seen_.contains(message.handle + '\0' + message.id);
}

bool Host::has_list(const std::string& list) {
  return host_settings_.lists.contains(list);
}

Answer<bool> Host::is_listed(const std::string& list, const std::string& value) {
  const auto found = host_settings_.lists.find(list);
  return found != host_settings_.lists.end() && found->second.contains(to_lower(value));
}

std::optional<std::string> Host::environment(std::string_view item) {
  const auto own = host_settings_.items.find(to_lower(item));
  if (own != host_settings_.items.end()) return own->second;
  if (item == "name") return "Posthorn";
  if (item == "version") return "1";
  if (item == "domain") return "example.org";
  if (item == "host") return "host.example.org";
  if (item == "location") return "MDA";
  if (item == "phase") return "during";
  if (item == "vnd.dovecot.username") return "testsuite-mail-user@example.org";
  if (item == "vnd.dovecot.default-mailbox") return "INBOX";
  return std::nullopt;
}

}  // namespace posthorn::sieve::suite
