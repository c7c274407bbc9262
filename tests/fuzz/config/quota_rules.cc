// Any text as quota rules: each word is a rule or has a fault that can be printed, limits never
// wrap around, and what has no room leaves none for more.
#include "config/quota.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  using test::require;
  const std::string_view text = test::text_of(data, size);
  const quota::RuleList list = quota::parse_rules(text);
  for (const std::string& fault : list.faults)
    require(!fault.empty() && fault.size() < 1000 && !test::has_control(fault));
  quota::Quota quota{config::Store{}};
  for (const quota::Rule& rule : list.rules) {
    require(!rule.mailbox.empty());
    quota.add(rule);
  }
  for (const std::string_view mailbox : {"INBOX", "Trash", "Lists.a"}) {
    const quota::Limits limits = quota.limits_for(mailbox);
    require(limits.bytes <= std::uint64_t{1} << 63U);
    for (const auto check : {quota::Check::strict, quota::Check::last_mail}) {
      const quota::Usage used{.bytes = limits.bytes, .messages = 0};
      const bool has_room = quota.has_room(mailbox, used, {.bytes = 1, .messages = 1}, check);
      if (limits.bytes != 0) require(!has_room);
      if (!limits.any()) require(has_room);
    }
  }
  return 0;
}
