// Any bytes as Outlook's request: an address that is found is one that may be shown, stands in the
// text letter for letter but for XML's five entities, and is the same behind white space and a
// declaration; written into markup it leaves no markup.
#include "tests/support/fuzz.h"
#include "web/proto/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const std::string shown = web::escape_markup(text);
  test::require(shown.find_first_of("<>\"'") == std::string::npos);
  test::require(web::escape_markup(shown).size() >= shown.size());
  const auto address = web::find_autodiscover_address(text);
  if (!address) return 0;
  test::require(web::is_plain_address(*address) && address->size() <= 254);
  test::require(!test::has_control(*address) &&
                address->find_first_of("<>\"") == std::string::npos);
  if (text.find('&') == std::string_view::npos)
    test::require(text.find(*address) != std::string_view::npos);
  test::require(text.find("EMailAddress") != std::string_view::npos);
  test::require(text.find("<!DOCTYPE") == std::string_view::npos);
  return 0;
}
