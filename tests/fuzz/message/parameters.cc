// Any bytes as a Content-Type's value: at most 100 parameters, none with an empty name, no more
// bytes out than came in, but for what percent-encoding a part takes (RFC 2231); and parameters
// that we write come back the same, where none looks like a part of one.
#include "message/part.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const message::ParameterizedValue parsed = message::parse_parameterized(text);
  std::size_t bytes = parsed.value.size();
  bool has_star = false;
  test::require(parsed.parameters.size() <= 100);
  test::require(parsed.value.find_first_of("; \t\r\n(") == std::string::npos);
  std::string again = parsed.value;
  for (const auto& [name, value] : parsed.parameters) {
    test::require(!name.empty() && name.find_first_of("=; \t\r\n(") == std::string::npos);
    bytes += name.size() + value.size();
    has_star |= name.find('*') != std::string::npos;
    again += "; " + name + "=\"";
    for (const char c : value) {
      if (c == '"' || c == '\\') again += '\\';
      again += c;
    }
    again += '"';
  }
  test::require(bytes <= text.size() * (has_star ? 3 : 1));
  if (has_star) return 0;
  const message::ParameterizedValue back = message::parse_parameterized(again);
  test::require(back.value == parsed.value && back.parameters == parsed.parameters);
  return 0;
}
