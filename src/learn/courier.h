// Courier: takes a lesson from the store to the queue, which alone speaks to spamd: by LMTP over a
// socket of its own, where the sender says whose lesson it is and the recipient what it teaches.
//
//   C: MAIL FROM:<alice@example.org>        (<>: the site's)
//   C: RCPT TO:<spam@lesson.invalid>        or ham@
//   S: 250 2.0.0 Learned                    spamd has it; "Known": it had it before
//   S: 451 4.3.0                            spamd had the mail and failed
//   S: 451 4.4.1                            spamd cannot be reached, or be taught, now
//   S: 554 5.6.0                            spamd will never learn this one
#pragma once

#include <string>
#include <string_view>

#include "config/config.h"
#include "message/mail_class.h"
#include "net/scope.h"
#include "net/socket.h"

namespace posthorn::learn {

inline constexpr std::string_view kLessonDomain = "lesson.invalid";  // RFC 2606: no mail goes there
inline constexpr std::string_view kLearned = "Learned", kKnown = "Known";

struct Answer {
  enum class Outcome { learned, known, refused, failed, unavailable };
  Outcome outcome = Outcome::unavailable;
  std::string said;
};

struct Parcel {
  message::MailClass what = message::MailClass::ham;
  std::string account;       // empty: the site's
  std::string_view message;  // CRLF lines
};

class Courier {
 public:
  virtual ~Courier() = default;
  // What cannot be asked is unavailable.
  virtual net::Awaitable<Answer> carry(Parcel parcel) = 0;
};

class LmtpCourier final : public Courier {
 public:
  // The answer comes when spamd has answered.
  LmtpCourier(net::Scope& scope, const config::Config& config, net::Address queue)
      : scope_(scope), config_(config), queue_(std::move(queue)) {}
  net::Awaitable<Answer> carry(Parcel parcel) override;

 private:
  net::Task<Answer> try_to_carry(const Parcel& parcel);

  net::Scope& scope_;
  const config::Config& config_;
  const net::Address queue_;
};

}  // namespace posthorn::learn
