// Any line as an SMTP command: what is understood holds no control character and can be written as
// a command that is understood the same; what is not gets a reply of class 5.
#include "smtp/proto/command.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

void check_refusal(const smtp::Reply& reply) {
  test::require(reply.is_permanent() && reply.enhanced.starts_with("5."));
  test::require(!reply.text.empty() && !test::has_control(reply.text));
}

void check_mail(std::string_view argument) {
  const auto mail = smtp::parse_mail(argument);
  if (!mail) return check_refusal(mail.error());
  test::require(!test::has_control(mail->sender) && !test::has_control(mail->envelope_id));
  test::require(!test::has_control(mail->auth) && mail->envelope_id.size() <= 100);
  std::string again = "FROM:<" + mail->sender + "> SIZE=" + std::to_string(mail->size);
  again += mail->eight_bit ? " BODY=8BITMIME" : " BODY=7BIT";
  if (mail->smtputf8) again += " SMTPUTF8";
  again += " AUTH=" + smtp::encode_xtext(mail->auth);
  again += " ENVID=" + smtp::encode_xtext(mail->envelope_id);
  if (mail->ret != message::Ret::unset)
    again += mail->ret == message::Ret::full ? " RET=FULL" : " RET=HDRS";
  const auto back = smtp::parse_mail(again);
  test::require(back && back->sender == mail->sender && back->size == mail->size);
  test::require(back->eight_bit == mail->eight_bit && back->smtputf8 == mail->smtputf8);
  test::require(back->auth == mail->auth && back->ret == mail->ret);
  test::require(back->envelope_id == mail->envelope_id);
}

void check_rcpt(std::string_view argument, message::AddressCharset charset) {
  const auto rcpt = smtp::parse_rcpt(argument, charset);
  if (!rcpt) return check_refusal(rcpt.error());
  test::require(!rcpt->address.empty() && !test::has_control(rcpt->address));
  test::require(!test::has_control(rcpt->original));
  const auto& notify = rcpt->notify;
  test::require(!notify.never || (!notify.success && !notify.failure && !notify.delay));
  std::string again = "TO:<" + rcpt->address + "> NOTIFY=";
  again += notify.never ? "NEVER" : "";
  for (const auto& [is_set, word] :
       {std::pair{notify.success, ",SUCCESS"}, std::pair{notify.failure, ",FAILURE"},
        std::pair{notify.delay, ",DELAY"}})
    if (is_set) again += again.ends_with('=') ? word + 1 : word;
  if (const std::size_t semicolon = rcpt->original.find(';'); semicolon != std::string::npos)
    if (rcpt->original.size() < 160)
      again += " ORCPT=" + rcpt->original.substr(0, semicolon + 1) +
               smtp::encode_xtext(std::string_view(rcpt->original).substr(semicolon + 1));
  const auto back = smtp::parse_rcpt(again, charset);
  test::require(back && back->address == rcpt->address && back->notify == notify);
  test::require(rcpt->original.size() >= 160 || back->original == rcpt->original);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line = test::text_of(data, size);
  check_mail(line);
  check_rcpt(line, message::AddressCharset::ascii);
  check_rcpt(line, message::AddressCharset::utf8);
  if (const auto bdat = smtp::parse_bdat(line)) {
    const auto back = smtp::parse_bdat(std::to_string(bdat->size) + (bdat->last ? " LAST" : ""));
    test::require(back && back->size == bdat->size && back->last == bdat->last);
  } else {
    check_refusal(bdat.error());
  }
  const auto command = smtp::parse_command(line);
  if (!command) {
    check_refusal(command.error());
    return 0;
  }
  test::require(!command->argument.starts_with(' ') && !command->argument.ends_with(' '));
  const auto back =
      smtp::parse_command(std::string(smtp::to_string(command->verb)) + ' ' + command->argument);
  test::require(back && back->verb == command->verb && back->argument == command->argument);
  if (command->verb == smtp::Verb::mail) check_mail(command->argument);
  if (command->verb == smtp::Verb::rcpt)
    check_rcpt(command->argument, message::AddressCharset::utf8);
  return 0;
}
