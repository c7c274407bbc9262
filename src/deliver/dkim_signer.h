// Puts DKIM signatures on a message as it leaves: over the very bytes that are sent, so that what a
// server without 8BITMIME gets is signed as converted. Keys are read for each message: there is
// nothing to reload.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "config/config.h"
#include "deliver/attempt.h"
#include "message/refit.h"

namespace posthorn::deliver {

struct DkimSignatures {
  std::string fields;               // to be put on top; empty: it is not signed
  std::string domain;               // d=
  std::string selectors;            // "mail,mail-ed25519"
  std::vector<std::string> faults;  // keys that could not be used, and why
};

// For a message of our own users (Body::is_ours). One of each key of its From domain, but for those
// whose signature it brought. An error: the message could not be read. Blocks.
Result<DkimSignatures> make_dkim_signatures(const config::Dkim& config, const Body& body,
                                            const message::RefitPlan& plan, WallTime now);

}  // namespace posthorn::deliver
