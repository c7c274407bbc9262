// Any bytes as the files of docker-mailserver's config folder, one behind the other with a line
// "== name" before each: what is read are lines our own tables take, each whole, or every line that
// was not taken is named. The Sieve scripts have targets of their own.
#include "tools/dms_files.h"

#include "tests/support/fuzz.h"
#include "tests/support/temp_folder.h"

namespace {

using namespace posthorn;

constexpr std::string_view kNames[] = {"postfix-accounts.cf", "postfix-virtual.cf",
                                       "postfix-regexp.cf",   "postfix-sasl-password.cf",
                                       "postfix-relaymap.cf", "dovecot-quotas.cf"};

// Whole lines, none of them empty.
void check_lines(const std::string& lines) {
  if (lines.empty()) return;
  test::require(lines.ends_with('\n') && !lines.starts_with('\n'));
  test::require(lines.find("\n\n") == std::string::npos);
  test::require(lines.find('\0') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const test::TempFolder folder;
  for (const std::string_view name : kNames)
    std::filesystem::remove(folder.path() / std::string(name));
  std::string_view rest = test::text_of(data, size);
  std::string name(kNames[0]), text;
  const auto put = [&] {
    for (const std::string_view known : kNames)
      if (name == known && !text.empty()) folder.write(name, text);
    text.clear();
  };
  while (!rest.empty()) {
    const std::string_view line = test::take_line(rest);
    if (line.starts_with("== ")) {
      put();
      name = line.substr(3);
    } else {
      text += std::string(line) + "\n";
    }
  }
  put();
  const auto files = tools::read_dms_files(folder.path());
  if (!files) {
    test::require(!files.error().what.empty());
    return 0;
  }
  for (const std::string* lines : {&files->users, &files->mailboxes, &files->aliases,
                                   &files->relay_sasl, &files->sender_relays})
    check_lines(*lines);
  for (const std::string& domain : files->domains)
    test::require(!domain.empty() && !test::has_control(domain) &&
                  domain.find_first_of(" @") == std::string::npos);
  for (const std::string& left : files->left_out)
    test::require(left.find(':') != std::string::npos && left.find('\n') == std::string::npos);
  return 0;
}
