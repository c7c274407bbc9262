// Any bytes as a Content-Type's value: at most 100 parameters, none with an empty name, no more
// bytes out than came in; and parameters that we write come back the same.
#include "message/part.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  const message::ParameterizedValue parsed = message::parse_parameterized(text);
  std::size_t bytes = parsed.value.size();
  test::require(parsed.parameters.size() <= 100);
  test::require(parsed.value.find_first_of("; \t\r\n(") == std::string::npos);
  std::string again = parsed.value;
  for (const auto& [name, value] : parsed.parameters) {
    test::require(!name.empty() && name.find_first_of("=; \t\r\n(") == std::string::npos);
    bytes += name.size() + value.size();
    again += "; " + name + "=\"";
    for (const char c : value) {
      if (c == '"' || c == '\\') again += '\\';
      again += c;
    }
    again += '"';
  }
  test::require(bytes <= text.size());
  const message::ParameterizedValue back = message::parse_parameterized(again);
  test::require(back.value == parsed.value && back.parameters == parsed.parameters);
  return 0;
}
