// What a script wants done, as values: whoever runs it does it, in this order.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace posthorn::sieve {

// The message as a script left it (RFC 5293 section 4: an action takes it as it is then).
struct Version {
  std::string header;               // the block, CRLF, without the empty line
  std::optional<std::string> body;  // nullopt: as it came
};
using VersionPtr = std::shared_ptr<const Version>;  // nullptr: as it came

using Flags = std::vector<std::string>;

enum class Create : std::uint8_t { no, yes };

// Where a copy is filed.
struct Place {
  std::string mailbox;
  Flags flags = {};
  Create create = Create::no;    // RFC 5490 section 3.2
  std::string special_use = {};  // RFC 8579 section 4: before the name, if there is one
  std::string mailbox_id = {};   // RFC 9042 section 4: before the name, if there is one
};

struct Keep {
  Flags flags = {};
};
struct FileInto {
  Place place;
};
struct Redirect {
  std::string address;
  // RFC 6009; empty: as the message has them.
  std::string notify = {};  // NOTIFY's value
  std::string ret = {};     // "FULL", "HDRS"
  // redirect-deliverby: seconds from now; BY's mode and trace.
  std::optional<std::int64_t> deliver_by = {};
  std::string deliver_by_mode = {};
};
struct Discard {};
// RFC 5429: reject may answer with an MDN, ereject refuses where it can.
struct Reject {
  enum class How : std::uint8_t { reject, ereject };
  std::string reason;
  How how = How::reject;
};
// RFC 5230: asked for; the rules of section 4 about who is answered are the host's.
struct Vacation {
  std::string reason;
  std::string subject = {};
  std::string from = {};
  std::string handle = {};  // never empty: made of the others where the script has none
  std::vector<std::string> addresses = {};
  std::chrono::seconds period{};
  enum class Form : std::uint8_t { text, mime } form = Form::text;
  std::optional<Place> fcc = {};  // RFC 8580
};
// RFC 5435, 5436.
struct Notify {
  std::string method;  // "mailto:a@example.org?…"
  std::string from = {};
  std::string importance = "2";
  std::vector<std::string> options = {};
  std::string message = {};
  std::optional<Place> fcc = {};
};
// vnd.dovecot.report: an RFC 5965 report about the message.
struct Report {
  enum class What : std::uint8_t { message, headers };
  std::string type;  // "abuse"
  std::string text;
  std::string address;
  What what = What::message;
};

// A place in a script.
struct ScriptLine {
  std::string script;      // as its owner knows it; empty: none
  std::uint32_t line = 0;  // 0: of the script as a whole, or not known
  bool operator==(const ScriptLine&) const = default;
};

struct Action {
  std::variant<Keep, FileInto, Redirect, Discard, Reject, Vacation, Notify, Report> what;
  VersionPtr version = nullptr;
  std::string script = {};  // whose
  std::uint32_t line = 0;   // where it stands; 0: not known, or no command stands there
  bool keeps = false;       // `:copy`: the implicit keep stays
  // What asked for it: a command; nothing did otherwise, so that this is the implicit keep of the
  // last script; a run that failed, and script and line say where.
  enum class By : std::uint8_t { command, no_rule, fault } by = By::command;
};

// RFC 7352: a message that is noted once the script has ended well.
struct Seen {
  std::string handle;
  std::string id;
  std::chrono::seconds period{};
  bool is_last = false;  // the period begins anew with each
};

}  // namespace posthorn::sieve
