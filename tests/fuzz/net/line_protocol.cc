// Any bytes as a line between roles: what is understood is written back to the same line, and any
// texts that we put into fields come out again, whatever stands in them, in one line.
#include "net/line_channel.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view text = test::text_of(data, size);
  if (const auto tagged = net::parse_message(text)) {
    test::require(!tagged->tag.empty() && !tagged->message.verb.empty());
    std::string line = net::format_message(tagged->tag, tagged->message);
    test::require(line.ends_with('\n'));
    line.pop_back();
    const auto back = net::parse_message(line);
    test::require(back && back->tag == tagged->tag && back->message.verb == tagged->message.verb);
    test::require(back->message.fields == tagged->message.fields);
    // Bytes that need an escape were the only ones that could have been written otherwise.
    if (text.find_first_of(std::string_view("\n\r\0", 3)) == std::string_view::npos)
      test::require(line == text);
  } else {
    test::require(tagged.error().kind == ErrorKind::protocol);
  }

  net::Message message("verb");
  std::string_view rest = text;
  std::vector<std::string_view> values;
  while (!rest.empty()) {
    const std::string_view value = rest.substr(0, rest.find('\xFF'));
    rest.remove_prefix(std::min(rest.size(), value.size() + 1));
    values.push_back(value);
    message.add("key", value);
  }
  const std::string line = net::format_message("17", message);
  test::require(line.find('\n') == line.size() - 1 && line.find('\r') == std::string::npos);
  test::require(line.find('\0') == std::string::npos);
  test::require(line.size() <= 2 * size + 5 * values.size() + 9);
  const auto back = net::parse_message(std::string_view(line).substr(0, line.size() - 1));
  test::require(back && back->tag == "17" && back->message.all("key") == values);
  return 0;
}
