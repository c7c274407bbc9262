// What became of a mail for each of its recipients, out of what the trail keeps of it: where it was
// filed, and which line of which script said so, or why it is nowhere. Records in, values and
// sentences out; what only the server's disk knows is looked up by whoever calls.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "trail/record.h"

namespace posthorn::tools {

// What decided about one recipient, in order of time: copies in mailboxes, what was sent on, a
// refusal. A failure stands there only as long as nothing else came of it.
struct MailEnd {
  std::string recipient;  // empty: all of them
  std::vector<trail::Record> records;
};
std::vector<MailEnd> ends_of(std::span<const trail::Record> records);
// Of this recipient or account; empty: of anyone.
bool is_end_of(const MailEnd& end, std::string_view whose);

// Where a message lies now.
struct LiesAt {
  std::string mailbox;
  std::uint32_t uid = 0;
  std::string flags;  // names, blanks between
  std::string path;   // empty: it is not known
};
struct ScriptText {
  std::string text;
  WallTime changed{};
};
struct EndLookups {
  // A copy of which store.delivered told: itself, else what has its size and date in any mailbox.
  std::function<Result<std::vector<LiesAt>>(const trail::Record& copy)> find_copy;
  // The script of this name, which may be one of the account's; nullopt: there is none any more.
  std::function<Result<std::optional<ScriptText>>(const std::string& account,
                                                  const std::string& script)>
      find_script;
};

// A line of a script, with the one before and the one behind it.
struct Excerpt {
  struct Line {
    std::size_t number = 0;
    std::string text;
  };
  std::vector<Line> lines;  // empty: the script has no such line
};
Excerpt excerpt_of(std::string_view script, std::size_t line);

// A record with all that can be looked up about it. An Error never ends it: what cannot be looked
// up is said.
struct EndShown {
  trail::Record record;
  std::string sentence;  // "filed in Lists as UID 7"
  std::string by;        // "line 3 of default.sieve asked for it"; empty: nobody is named
  Excerpt excerpt;
  std::string script_changed;  // since then: when; empty: it was not
  std::string no_script;       // why there is no excerpt; empty: there is, or none is due
  std::optional<std::vector<LiesAt>> copies;  // nullopt: it is no copy, or no_copies says why
  std::string no_copies;
};
struct MailEndShown {
  std::string recipient;
  std::vector<EndShown> ends;
};
std::vector<MailEndShown> look_up(std::span<const MailEnd> ends, const EndLookups& lookups);

std::string tell_ends(std::span<const MailEndShown> ends);
nlohmann::ordered_json json_of(std::span<const MailEndShown> ends);

}  // namespace posthorn::tools
