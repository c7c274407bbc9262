// What a script sends besides answers: a notification by mail (RFC 5435, 5436) and a report about
// the message (RFC 5965). Both are composed here and sent once for a message, also when the queue
// hands it over again.
//
// A loop is stopped by both ends: what we send says Auto-Submitted, and what says auto-notified
// brings about no notification.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lda/vacation.h"
#include "message/mailto.h"
#include "sieve/language/actions.h"

namespace posthorn::lda {

struct NotificationText {
  const sieve::Notify& notify;
  const message::Mailto& mailto;    // RFC 5436 section 2.7: its other fields are not taken
  const message::Headers& headers;  // of the message it is about
  std::string from;
  std::string owner;  // the account
  std::string hostname;
  WallTime now{};
};
std::string make_notification(const NotificationText& text);

struct ReportText {
  const sieve::Report& report;
  const message::Envelope& envelope;  // of the message it is about
  std::string_view header;            // of the message
  std::string_view message;           // all of it, in wire form; empty: its header alone goes along
  std::string from;
  std::string hostname;
  WallTime now{};
};
std::string make_report(const ReportText& text);

// What names the message for "once", also when it comes again: its header, with our own Received
// and its session in it.
std::string message_key(std::string_view header, std::string_view recipient);

// As answer_vacation(). key: of message_key().
net::Task<Answered> send_notification(AnswerParts parts, const Incoming& mail, std::string key,
                                      const sieve::Notify& notify, const Memories::Held& memory);
// message: the whole, in wire form, if the report wants it.
struct Reported {
  std::string_view header;
  std::string_view message;
};
net::Task<Answered> send_report(AnswerParts parts, const Incoming& mail, Reported about,
                                const sieve::Report& report, const Memories::Held& memory);

}  // namespace posthorn::lda
