// Any text that a program hands to sendmail, its recipients in the first line: what is submitted
// has CRLF lines and a header with From and a recipient's field that ends with an empty line; no
// field of the hidden ones is left with -t; each recipient is a whole address, named once; and what
// came out is taken again as it is.
#include "message/local_mail.h"

#include <set>

#include "message/headers.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  std::string_view rest = test::text_of(data, size);
  const std::string list(test::take_line(rest));
  message::LocalMail mail{.text = rest,
                          .recipients = {},
                          .takes_recipients = list.starts_with('t'),
                          .sender = "alice@example.org",
                          .sender_name =
                              "Al\xc3\xad"
                              "ce",
                          .domain = "example.org"};
  if (list.size() > 1) mail.recipients.push_back(list.substr(1));
  test::require(message::up_to_dot(rest).size() <= rest.size());
  const auto prepared = message::prepare_local_mail(mail);
  if (!prepared) {
    test::require(prepared.error().kind == ErrorKind::protocol && !prepared.error().what.empty());
    return 0;
  }
  const std::string& out = prepared->text;
  for (std::size_t i = 0; i < out.size(); ++i)
    if (out[i] == '\n') test::require(i > 0 && out[i - 1] == '\r');
  test::require(out.ends_with("\r\n"));
  const auto end = message::find_header_end(out, message::Input::whole);
  test::require(end && end->body_begin == end->header_size + 2);
  const message::Headers headers(std::string_view(out).substr(0, end->header_size));
  if (headers.fields().size() < message::kFieldsMax) {
    test::require(headers.has("From") || headers.has("Resent-From"));
    if (mail.takes_recipients) test::require(!headers.has("Bcc") && !headers.has("Resent-Bcc"));
    test::require(headers.has("To") || headers.has("Cc") || headers.has("Bcc"));
  }
  std::set<std::string> seen;
  for (const std::string& recipient : prepared->recipients) {
    test::require(recipient.find('@') != std::string::npos && !test::has_control(recipient));
    test::require(seen.insert(recipient).second);
  }
  // Once more, with no -t and no recipients: nothing is to be added.
  mail.text = out;
  mail.takes_recipients = false;
  mail.recipients.clear();
  const auto again = message::prepare_local_mail(mail);
  if (headers.fields().size() + 2 < message::kFieldsMax) test::require(again && again->text == out);
  return 0;
}
