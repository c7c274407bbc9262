// Any bytes as the name of a file in cur/: what is taken can stand in a line of the uidlist, and a
// name made anew from its flags keeps the base, all letters, and reads back the same.
#include "store/file_name.h"

#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const auto name = store::parse_file_name(text);
  if (!name) return 0;
  test::require(!name->base.empty() && !name->base.starts_with('.') && !test::has_control(text));
  test::require(text.find('/') == std::string_view::npos && text.starts_with(name->base));
  test::require(name->has_info ? std::string(name->base) + ":2," + std::string(name->info) == text
                               : name->base == text);
  const store::Letters letters = store::parse_info(name->info);
  test::require(letters.keywords >> store::kKeywordLettersMax == 0);
  const std::string info = store::format_info(letters, name->info);
  test::require(std::ranges::is_sorted(info) && store::format_info(letters, info) == info);
  for (const char c : name->info) test::require(info.find(c) != std::string::npos);
  for (const char c : info) test::require(name->info.find(c) != std::string_view::npos);

  const std::string again = std::string(name->base) + ":2," + info;
  const auto back = store::parse_file_name(again);
  test::require(back && back->base == name->base && back->info == info);
  const store::Letters read = store::parse_info(back->info);
  test::require(read.flags == letters.flags && read.keywords == letters.keywords);

  // Flags set to others: the letters that we do not know stay.
  const store::Letters other{store::flag::seen, 5};
  const std::string changed = store::format_info(other, name->info);
  test::require(store::parse_info(changed).flags == other.flags);
  test::require(store::parse_info(changed).keywords == other.keywords);

  const std::string sized = std::string(name->base) + ",S=123,W=456";
  for (const char kind : {'S', 'W'}) {
    const auto own = store::size_in_name(name->base, kind);
    if (own)
      test::require(name->base.find(std::string{',', kind, '=', static_cast<char>('0' + 0)}) !=
                        std::string_view::npos ||
                    *own > 0);
    const std::string mark{',', kind, '='};
    if (name->base.find(mark) == std::string_view::npos)
      test::require(!own && store::size_in_name(sized, kind) == (kind == 'S' ? 123U : 456U));
  }
  return 0;
}
