// Whatever a client says of itself, the trace field is one field of whole lines under 998 bytes,
// its brackets and comments closed, and a Message-ID stays one token.
#include "message/received.h"

#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  std::string_view rest = test::text_of(data, size);
  const auto take = [&] { return std::string(rest.substr(0, rest.find('\xFF'))); };
  message::Envelope envelope;
  message::ReceivedBy by;
  by.now = WallTime(std::chrono::milliseconds(1'700'000'000'000));
  by.hide_client = size % 2 == 1;
  for (std::string* field :
       {&envelope.origin.helo, &envelope.origin.client_name, &envelope.origin.client_address,
        &envelope.origin.protocol, &envelope.origin.account, &by.hostname, &by.session}) {
    *field = take();
    rest.remove_prefix(std::min(rest.size(), field->size() + 1));
  }
  if (!rest.empty()) envelope.recipients.push_back({std::string(rest), {}, {}});

  const std::string text = message::make_received(envelope, by);
  const message::Headers headers(text);
  test::require(headers.fields().size() == 1 && headers.fields()[0].name == "Received");
  test::require(headers.fields()[0].raw.size() == text.size() && message::count_hops(headers) == 1);
  std::string_view lines = text;
  while (!lines.empty()) {
    std::string_view line = test::take_line(lines);
    test::require(line.ends_with('\r') && line.size() < 998);
    line.remove_suffix(1);
    if (line.starts_with('\t')) line.remove_prefix(1);
    test::require(!test::has_control(line));
  }
  const auto count = [&](char c) { return std::ranges::count(text, c); };
  test::require(count('(') == count(')') && count('<') == count('>') && count(';') == 1);
  test::require(text.find('\\') == std::string::npos);
  const std::string id = message::make_message_id(by.hostname, by.now);
  test::require(id.find_first_of(" \t\r\n()") == std::string::npos && id.ends_with('>'));
  return 0;
}
