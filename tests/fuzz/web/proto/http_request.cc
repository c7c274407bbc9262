// HTTP requests: whatever the pieces, the same request or the same refusal; what is accepted keeps
// to its bounds and holds no byte that could end a line.
#include "tests/support/fuzz.h"
#include "web/proto/request.h"
#include "web/proto/text.h"

using namespace posthorn;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const test::Pieces input(test::text_of(data, size));
  web::HeadReader whole_reader;
  const auto whole = whole_reader.read(input.text());
  std::string so_far;
  web::HeadReader reader;
  std::expected<std::optional<web::Request>, int> got = std::nullopt;
  input.each([&](std::string_view piece) {
    if (!got || *got) return;
    so_far += piece;
    got = reader.read(so_far);
  });
  if (whole && *whole) {
    const web::Request& request = **whole;
    test::require(got && *got);
    test::require(reader.size() == whole_reader.size());
    test::require((**got).path == request.path && (**got).host == request.host &&
                  (**got).body_size == request.body_size);
    test::require(whole_reader.size() <= input.text().size());
    test::require(request.path.starts_with('/') && !test::has_control(request.path));
    test::require(request.body_size <= web::kBodyMax && !test::has_control(request.host));
    test::require(request.host.find_first_of("<>\"' ") == std::string::npos);
    if (const auto value = web::find_parameter(request.query, "emailaddress"))
      test::require(!test::has_control(*value));
  } else if (!whole) {
    // Refused as a whole, it never becomes good by coming slowly.
    test::require(!got || !*got || so_far.size() < input.text().size());
  }
  const std::string shown = web::escape_markup(input.text());
  test::require(shown.find_first_of("<>\"'") == std::string::npos);
  if (const auto address = web::find_autodiscover_address(input.text()))
    test::require(web::is_plain_address(*address));
  return 0;
}
