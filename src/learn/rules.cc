#include "learn/rules.h"

#include <algorithm>

#include "base/ascii.h"
#include "store/mailbox_name.h"

namespace posthorn::learn {
namespace {

using message::MailClass;

bool is_in(std::string_view mailbox, const std::vector<std::string>& folders) {
  return std::ranges::any_of(folders, [&](const std::string& folder) {
    return !folder.empty() && (mailbox == folder || store::is_below(mailbox, folder));
  });
}

// from: empty: it was nowhere.
std::optional<MailClass> class_of_move(std::string_view from, std::string_view to,
                                       const Folders& folders) {
  const bool was_junk = is_in(from, folders.junk);
  const bool is_junk = is_in(to, folders.junk);
  if (was_junk == is_junk) return std::nullopt;
  if (is_junk) return MailClass::spam;
  if (is_in(to, folders.trash)) return std::nullopt;
  return MailClass::ham;
}

std::optional<MailClass> class_of_keywords(const std::vector<std::string>& names) {
  const auto has_one_of = [&](std::initializer_list<std::string_view> wanted) {
    return std::ranges::any_of(names, [&](const std::string& name) {
      return std::ranges::any_of(
          wanted, [&](std::string_view one) { return equals_ignoring_case(name, one); });
    });
  };
  const bool is_junk = has_one_of({"$Junk", "Junk"});
  const bool is_not_junk = has_one_of({"$NotJunk", "NotJunk", "NonJunk"});
  if (is_junk == is_not_junk) return std::nullopt;
  return is_junk ? MailClass::spam : MailClass::ham;
}

}  // namespace

std::vector<Teaching> find_teachings(const imap::Happening& happening, const Folders& folders) {
  if (happening.cause != imap::Cause::flag) {
    const auto what = class_of_move(happening.from, happening.mailbox, folders);
    if (!what || happening.uids.empty()) return {};
    return {{*what, happening.uids}};
  }
  Teaching spam{MailClass::spam, {}}, ham{MailClass::ham, {}};
  for (const store::FlagChange& change : happening.changes)
    if (const auto what = class_of_keywords(imap::changed_flags(happening, change).set))
      (*what == MailClass::spam ? spam : ham).uids.push_back(change.uid);
  std::vector<Teaching> found;
  for (Teaching* const teaching : {&spam, &ham})
    if (!teaching->uids.empty()) found.push_back(std::move(*teaching));
  return found;
}

}  // namespace posthorn::learn
