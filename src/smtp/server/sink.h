// Sink: where an accepted message goes. smtp/server knows neither queue nor store; each role gives
// it one of these. One object, one transaction: begin, write…, then commit or abort. Nothing exists
// for others before commit.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "message/envelope.h"
#include "net/task.h"
#include "smtp/proto/reply.h"

namespace posthorn::smtp {

// What became of a message for one of its recipients, where each has its own outcome (RFC 2033).
// The reason is what is counted; the reply is for the peer.
struct RecipientResult {
  enum class Reason { stored, redirected, discarded, over_quota, rejected, failed };
  Reason reason;
  Reply reply;
};

struct Committed {
  std::string queue_id;                     // empty: it is in no queue (store)
  std::vector<RecipientResult> recipients;  // LMTP: in order; empty: one outcome for all
};

class Sink {
 public:
  virtual ~Sink() = default;
  virtual net::Task<> begin(const message::Envelope& envelope) = 0;
  // The message as it came, decoded: CRLF lines, dots unstuffed, our Received header in front.
  virtual net::Task<> write(std::string_view bytes) = 0;
  // On disk, or it did not happen.
  virtual net::Task<Committed> commit() = 0;
  virtual net::Awaitable<void> abort() = 0;
};

class SinkFactory {
 public:
  virtual ~SinkFactory() = default;
  virtual std::unique_ptr<Sink> make() = 0;
};

}  // namespace posthorn::smtp
