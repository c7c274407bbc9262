// Any bytes as dovecot-keywords, subscriptions and uidvalidity: what is understood is within the
// bounds of its kind and reads back the same from the file that we write.
#include "store/dovecot_files.h"

#include "store/mailbox_name.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const auto names = store::parse_keywords(text);
  test::require(names.size() <= store::kKeywordLettersMax);
  for (const std::string& name : names) test::require(name.empty() || store::is_keyword(name));
  test::require(store::parse_keywords(store::format_keywords(names)) == names);

  // posthorn-keywords: what is understood is the same when it is written anew.
  const store::HighKeywords high = store::parse_high_keywords(text);
  std::string anew;
  for (const auto& [number, name] : high.names) {
    test::require(number >= store::kKeywordLettersMax && number < store::kKeywordsMax);
    store::append_high_keyword(number, name, anew);
  }
  for (const auto& [base, keywords] : high.marks) {
    test::require(keywords.letters() == 0);
    store::append_high_mark(keywords, base, anew);
  }
  const store::HighKeywords read = store::parse_high_keywords(anew);
  test::require(read.names == high.names && read.marks == high.marks);

  const store::Subscriptions subscriptions = store::parse_subscriptions(text);
  for (const std::string& name : subscriptions.names)
    test::require(store::check_mailbox_name(name) == name);
  const std::string written = store::format_subscriptions(subscriptions);
  const store::Subscriptions back = store::parse_subscriptions(written);
  test::require(back.names == subscriptions.names);
  test::require(back.is_version_2 == subscriptions.is_version_2);

  if (const auto value = store::parse_uidvalidity(text))
    test::require(store::parse_uidvalidity(store::format_uidvalidity(*value)) == value);
  return 0;
}
