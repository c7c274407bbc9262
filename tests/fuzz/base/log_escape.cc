// Any bytes as a logged value: what comes out is one token of clean UTF-8 with no control byte, and
// can be read back to the bytes that went in, up to the length at which it is cut.
#include "base/log.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

// Back from the quoted form.
std::string unescape(std::string_view text) {
  std::string out;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'A' + 10; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      test::require(text[i] != '"');
      out += text[i];
    } else if (text[++i] == 'x') {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string written;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = test::text_of(data, size);
  const std::string shown = log::escape(text);
  test::require(!shown.empty() && !test::has_control(shown) && shown.size() <= 512 * 4 + 8);
  test::require(shown.find("\xC2\x80") == std::string::npos);
  if (shown.front() != '"') {
    test::require(shown == text && shown.find_first_of(" =\"\\") == std::string::npos);
  } else {
    test::require(shown.size() >= 2 && shown.ends_with('"'));
    std::string_view inner = std::string_view(shown).substr(1, shown.size() - 2);
    if (text.size() > 512) {
      test::require(inner.ends_with("…"));
      inner.remove_suffix(std::string_view("…").size());
    }
    test::require(unescape(inner) == text.substr(0, 512));
  }
  // Escaped once more it must be plain text: nothing in it was no UTF-8.
  const std::string twice = log::escape(std::string_view(shown).substr(0, 500));
  if (shown.size() <= 500 && shown.find('\\') == std::string::npos)
    test::require(twice.find("\\x") == std::string::npos);

  const log::Event event{"test.event", "A line of a test."};
  log::capture([](std::string_view line) { written = line; });
  log::Logger().with_session(text).with_queue(text).error(event, {{"a", text}, {"b", 1}});
  log::capture(nullptr);
  test::require(!test::has_control(written) && written.ends_with(" b=1"));
  test::require(written.find(" a=" + shown + " b=1") != std::string::npos);
  return 0;
}
