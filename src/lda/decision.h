// What the scripts decide about a staged message: they run in the pool, so that none of them holds
// up the role, again and again until the World had all that they asked for.
#pragma once

#include "lda/scripts.h"
#include "lda/world.h"
#include "message/envelope.h"
#include "net/blocking_pool.h"

namespace posthorn::lda {

struct Case {
  const Scripts& scripts;
  const sieve::Mail& mail;
  const sieve::Settings& settings;
  AccountWorld& world;
  sieve::RunInput::Event event = sieve::RunInput::Event::delivery;
};
// An Error: what a script asked for cannot be had now, try again later.
net::Task<sieve::Outcome> decide(Case one, net::BlockingPool& pool, const Clock& clock);

// What an account's scripts run with.
sieve::Settings settings_for(const config::Config& config, const std::string& account);

// An envelope as scripts see it: for one of its recipients. header and size: of the message with
// the fields that delivery puts in front of it.
sieve::Mail mail_of(const message::Envelope& envelope, const message::Recipient& recipient,
                    std::string_view header, std::uint64_t size);

}  // namespace posthorn::lda
