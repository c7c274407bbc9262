// Any bytes as an address list: a bounded list whose groups open and close in turn, no line end in
// any text of it, no more bytes out than came in; and a list that we write reads back the same.
#include "message/address.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool is_plain(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

void check_round_trip(std::string_view name, std::string_view local) {
  if (local.empty() || test::has_control(local) || test::has_control(name)) return;
  const std::string text = quoted(name) + " <" + quoted(local) + "@x.example>, b@y.example (c)";
  const auto back = message::parse_addresses(text);
  test::require(back.size() == 2 && back[0].mailbox == local && back[0].host == "x.example");
  test::require(back[0].name.value_or("") == name);
  test::require(back[1].name == "c" && back[1].mailbox == "b" && back[1].host == "y.example");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = test::text_of(data, size);
  const auto addresses = message::parse_addresses(text);
  test::require(addresses.size() <= message::kAddressesMax + 2);
  bool in_group = false;
  std::size_t bytes = 0;
  for (const message::Address& address : addresses) {
    for (const auto* part : {&address.name, &address.route, &address.mailbox, &address.host}) {
      if (!*part) continue;
      bytes += (*part)->size();
      test::require((*part)->find_first_of("\r\n") == std::string::npos);
    }
    if (address.host) {
      test::require(address.mailbox.has_value());
    } else if (address.mailbox) {
      test::require(!in_group && !address.name && !address.route);
      in_group = true;
    } else {
      test::require(in_group && !address.name && !address.route);
      in_group = false;
    }
  }
  test::require(!in_group);
  test::require(bytes <= 2 * text.size());
  std::string_view rest = text;
  const std::string_view name = test::take_line(rest);
  check_round_trip(name, test::take_line(rest));
  if (is_plain(name)) test::require(message::parse_addresses(name).size() == 1);
  return 0;
}
