// Every event that the log can hold, in one list, each with a sentence for the operator.
// `posthorn events` prints it. Code logs event::<name>; the dotted name is what stands in the line.
#pragma once

#include <span>

#include "base/log.h"

// clang-format off
#define POSTHORN_EVENTS(EVENT)                                                                     \
  /* the process */                                                                                \
  EVENT(role_started, "role.started", "A role is ready to work.")                                  \
  EVENT(role_stopping, "role.stopping", "A role was asked to stop and finishes what it has begun.")\
  EVENT(role_stopped, "role.stopped", "A role has ended in order.")                                \
  EVENT(role_died, "role.died", "A role ended unasked; the supervisor starts it again.")           \
  EVENT(config_refused, "config.refused", "The configuration has a fault; error= names file, line and reason.") \
  EVENT(coroutine_threw, "coroutine.threw", "A session ended by an exception: a bug to report.")   \
  /* connections and TLS */                                                                        \
  EVENT(listener_started, "listener.started", "A port or socket is open.")                         \
  EVENT(listener_paused, "listener.paused", "No descriptor is left; accepting pauses and resumes by itself.") \
  EVENT(connection_refused, "connection.refused", "A limit on connections was reached; the peer was told to come back.") \
  EVENT(tls_failed, "tls.failed", "A TLS handshake failed; error= says why.")                      \
  EVENT(tls_loaded, "tls.loaded", "A certificate and its key are in use.")                         \
  EVENT(tls_refused, "tls.refused", "A new certificate or key is bad; the old pair stays in use.") \
  EVENT(tls_expiring, "tls.expiring", "The certificate ends within 21 days.")                      \
  /* SMTP, submission, LMTP */                                                                       \
  EVENT(smtp_connected, "smtp.connected", "A client connected.")                                   \
  EVENT(smtp_closed, "smtp.closed", "A client went; reason= says how.")                            \
  EVENT(smtp_mail_refused, "smtp.mail.refused", "A sender was refused: not the user's own address.") \
  EVENT(smtp_rcpt_refused, "smtp.rcpt.refused", "A recipient was refused; status=5.1.1 is an unknown user, 5.7.1 relaying.") \
  EVENT(smtp_accepted, "smtp.accepted", "A message is on disk in the queue; q= is its id from here on.") \
  EVENT(smtp_refused, "smtp.refused", "A message was refused after its text; reason= says why.")   \
  EVENT(smtp_lookup_failed, "smtp.lookup.failed", "A table or login could not be asked; the client was told to try later.") \
  EVENT(smtp_unauthorised_pipelining, "smtp.pipelining", "A client sent ahead where it must not: a bot, or an attempt to smuggle.") \
  /* tables */                                                                                      \
  EVENT(maps_loaded, "maps.loaded", "A set of tables is in use; generation= counts them.")         \
  EVENT(maps_refused, "maps.refused", "A table has a fault; the tables of before stay in use.")    \
  EVENT(maps_warning, "maps.warning", "A table has something odd that does not hinder its use.")   \
  /* logins */                                                                                      \
  EVENT(auth_succeeded, "auth.succeeded", "A user logged in.")                                     \
  EVENT(auth_failed, "auth.failed", "A login was refused; reason= says why, never the password.")  \
  /* end */
// clang-format on

namespace posthorn::event {
#define POSTHORN_EVENT_DECLARE(id, name, meaning) inline constexpr log::Event id{name, meaning};
POSTHORN_EVENTS(POSTHORN_EVENT_DECLARE)
#undef POSTHORN_EVENT_DECLARE

// All of them, in the order of the list.
std::span<const log::Event> all();
}  // namespace posthorn::event
