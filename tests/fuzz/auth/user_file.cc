// Any bytes as conf/users: every fault names its line, and an edit sets, changes or removes exactly
// one user and leaves the others as they were.
#include "auth/user_file.h"

#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  std::string_view text = test::text_of(data, size);
  const std::string_view first = test::take_line(text);
  const auto file = auth::parse_users(text, "conf/users");
  for (const auto& [user, hash] : file.hashes) {
    test::require(!user.empty() && user.find_first_of(":\n") == std::string::npos);
    test::require(hash.find_first_of(":\n") == std::string::npos);
  }
  for (const std::string& fault : file.faults) test::require(fault.starts_with("conf/users:"));
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  test::require(file.hashes.size() + file.faults.size() <= lines);

  // The tools write names and hashes of this form only.
  std::string user;
  for (const char c : first.substr(0, 60))
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '@' || c == '.') user += c;
  // A byte order mark inside becomes one when the lines before it go.
  if (user.empty() || !file.is_text) return 0;
  for (const std::string_view mark : {"\xEF\xBB\xBF", "\xFF\xFE", "\xFE\xFF"})
    if (text.find(mark, 1) != std::string_view::npos) return 0;
  const std::string hash = "{SHA512-CRYPT}$6$salt$text";
  const auto set = auth::edit_users(text, user, &hash);
  test::require(set.has_value());
  const auto after = auth::parse_users(*set, "conf/users");
  auto wanted = file.hashes;
  wanted[user] = hash;
  test::require(after.hashes == wanted && after.faults.size() <= file.faults.size());
  test::require(auth::edit_users(*set, user, &hash) == set);

  // Rules are set, read back and taken away again.
  for (const char* rules : {"*:storage=1G Trash:ignore", ""}) {
    const auto limited = auth::edit_quota_rules(*set, user, rules);
    test::require(limited.has_value());
    const auto read = auth::parse_users(*limited, "conf/users");
    const auto found = read.quota_rules.find(user);
    test::require((found == read.quota_rules.end() ? "" : found->second) == rules);
    test::require(read.hashes == wanted &&
                  auth::edit_quota_rules(*limited, user, rules) == limited);
  }

  const auto removed = auth::edit_users(*set, user, nullptr);
  test::require(removed.has_value());
  wanted.erase(user);
  test::require(auth::parse_users(*removed, "conf/users").hashes == wanted);
  test::require(!auth::edit_users(*removed, user, nullptr));
  if (file.hashes.contains(user)) test::require(auth::edit_users(text, user, nullptr).has_value());
  return 0;
}
