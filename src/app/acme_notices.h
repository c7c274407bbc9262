// What postmaster is told of a certificate that could not be got: a mail a certificate a day at
// most, whatever the role acme says.
#pragma once

#include <map>
#include <string>

#include "base/log.h"
#include "net/line_channel.h"
#include "queue/queue.h"

namespace posthorn::app {

// The text for people; ends: when the certificate of before ends, empty: there is none.
struct AcmeFailure {
  std::string name, error, remedy, ends;
};
std::string notice_text(const AcmeFailure& failure);

class AcmeNotices {
 public:
  AcmeNotices(queue::Queue& queue, const Clock& clock) : queue_(queue), clock_(clock) {}
  // "notice" with the fields of AcmeFailure; "ok", "temporary" or "error".
  net::Awaitable<net::Message> answer(net::Message request);

 private:
  queue::Queue& queue_;
  const Clock& clock_;
  std::map<std::string, SteadyTime> told_;  // by certificate
  log::Logger log_;
};

}  // namespace posthorn::app
