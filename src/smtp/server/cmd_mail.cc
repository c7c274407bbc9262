// MAIL FROM: the envelope begins. Who may send as whom is asked here (RFC 6409 section 6.1); who
// proves to have sent it, later, is in SentBy (message/envelope.h). RFC 5321 section 4.1.1.2.
#include "base/metrics.h"
#include "smtp/server/session_impl.h"

namespace posthorn::smtp {

// RFC 3848 "with" keywords.
std::string Session::with_keyword() const {
  std::string keyword = is_lmtp() ? "LMTP" : extended_ ? "ESMTP" : "SMTP";
  if (extended_ && stream_->tls() != nullptr) keyword += 'S';
  if (extended_ && !account_.empty() && !is_for_programs()) keyword += 'A';
  if (envelope_.smtputf8 && !is_lmtp())
    keyword = "UTF8SMTP" + keyword.substr(keyword.find('P') + 1);
  return keyword;
}

net::Awaitable<Reply> Session::mail(const std::string& argument) {
  if (stopping_) co_return Reply{421, "4.3.2", "The server is stopping"};
  if (accepted_ >= settings_.smtp.messages_max && !is_internal())
    co_return Reply{421, "4.7.0", "Too many messages over one connection"};
  const auto mail = parse_mail(argument);
  if (!mail) co_return mail.error();
  if (!mail->token.empty() && !is_internal()) co_return unknown_parameter();
  // RFC 1870 section 6.1: what is declared too large is refused before it comes.
  if (mail->size > settings_.smtp.message_max) {
    const Reply reply{552, "5.3.4", "The message is larger than the limit"};
    log_.info(event::smtp_refused, {{"from", mail->sender},
                                    {"client", stream_->peer().address},
                                    {"size", mail->size},
                                    {"reason", to_string(reply)}});
    co_return reply;
  }
  // Who a message with the null sender is from stands in From, which is checked; it counts among
  // what the user sends.
  if (const auto refused = co_await check_sender(mail->sender)) co_return *refused;
  // RFC 5321 section 4.1.1.2: MAIL clears what stood before. RFC 3461 sections 4.3 and 4.4: RET and
  // ENVID go with the message; RFC 6152 section 3 and RFC 6531 section 3.4: what its body and its
  // addresses may hold.
  reset_envelope();
  in_mail_ = true;
  envelope_.sender = mail->sender;
  envelope_.id = mail->envelope_id;
  envelope_.ret = mail->ret;
  envelope_.eight_bit = mail->eight_bit;
  envelope_.smtputf8 = mail->smtputf8;
  envelope_.declared_size = mail->size;
  if (is_internal()) {
    // Who sends is for the sink to prove. RFC 4954 section 5: AUTH= is not believed, and no peer
    // is trusted with it.
    envelope_.origin = forwarded_;
    envelope_.token = mail->token;
  } else {
    if (client_) (void)co_await client_->found.wait(soon(2s));
    envelope_.origin = {.session = session_id_,
                        .client_address = stream_->peer().address,
                        .client_name = client_ ? client_->name : std::string{},
                        .helo = helo_,
                        .protocol = with_keyword(),
                        .account = account_};
  }
  co_return is_like_exim() ? Reply{250, "", "OK"} : said(route::sender_taken());
}

// RFC 6409 section 6.1: a user may not speak for others.
net::Awaitable<std::optional<Reply>> Session::check_sender(std::string sender) {
  if (!route::is_sender_asked(settings_.submission, client(), sender)) co_return std::nullopt;
  const auto answer = co_await route::ask_sender(*services_.directory, settings_.submission,
                                                 client(), {account_, sender});
  if (!answer) {
    metrics::count(metric::refusals, "lookup_failed");
    log_.warn(event::smtp_lookup_failed, {{"from", sender}, {"reason", answer.error().what}});
    co_return kLookupFailed;
  }
  if (*answer) co_return std::nullopt;
  const route::Refusal& refusal = answer->error();
  metrics::count(metric::refusals, "sender");
  log_.info(event::smtp_mail_refused, {{"account", account_},
                                       {"from", sender},
                                       {"client", stream_->peer().address},
                                       {"reply", refusal.code},
                                       {"reason", refusal.text}});
  co_return Reply{refusal.code, refusal.enhanced, refusal.text};
}

}  // namespace posthorn::smtp
