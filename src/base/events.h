// Every event that the log can hold, in one list, each with a sentence for the operator.
// `posthorn events` prints it. Code logs event::<name>; the dotted name is what stands in the line.
// What tells of a mail's life is a TRAIL: it is kept (trail/), and named with it are the roles that
// may say so; a mail's story has a sentence for each (trail/story.cc).
#pragma once

#include <span>

#include "base/log.h"

// clang-format off
#define POSTHORN_EVENTS(EVENT, TRAIL)                                                                \
  /* the process */                                                                                \
  EVENT(role_started, "role.started", "A role is ready to work.")                                  \
  EVENT(role_stopping, "role.stopping", "A role was asked to stop and finishes what it has begun.")\
  EVENT(role_stopped, "role.stopped", "A role has ended in order.")                                \
  EVENT(role_died, "role.died", "A role ended unasked; the supervisor starts it again.")           \
  EVENT(role_fenced, "role.fenced", "A role can open only its own files and make only the system calls it needs.") \
  EVENT(role_unfenced, "role.unfenced", "This kernel cannot fence a role in wholly; reason= says what is missing.") \
  EVENT(role_short_of_threads, "role.threads", "The system gave a role fewer threads than store.threads; it works with those.") \
  EVENT(config_refused, "config.refused", "The configuration has a fault; error= names file, line and reason.") \
  EVENT(files_stale, "files.stale", "At the start a file had a fault: what was kept of it, or as much as can be used, serves; error= says what to mend.") \
  EVENT(control_refused, "control.refused", "A member of users.admin_group ordered over a control socket what is root's.") \
  EVENT(files_unkept, "files.unkept", "The last good form of a file cannot be kept in paths.state for a start with a fault.") \
  EVENT(files_warning, "files.warning", "A file or setting works, but surely not as it was meant.") \
  EVENT(config_changed, "config.changed", "posthorn.toml was edited; the keys in keys= wait for `posthorn restart`.") \
  EVENT(generation_committed, "generation.committed", "What was prepared is in use in this role; generation= counts.") \
  EVENT(generation_refused, "generation.refused", "A reload puts nothing to use; error= says why.") \
  EVENT(log_dropped, "log.dropped", "The log could not be written for a while; lines= counts what is missing.") \
  EVENT(log_reopened, "log.reopened", "SIGHUP: log.file was opened anew, and this is in the new file.") \
  EVENT(log_kept, "log.kept", "SIGHUP: log.file could not be opened anew or not be handed to a role; lines go on into the file of before, error= says why.") \
  EVENT(coroutine_threw, "coroutine.threw", "A session ended by an exception: a bug to report.")   \
  /* connections and TLS */                                                                        \
  EVENT(listener_started, "listener.started", "A port or socket is open.")                         \
  EVENT(listener_paused, "listener.paused", "No descriptor is left; accepting pauses and resumes by itself.") \
  TRAIL(connection_refused, kEdge, "connection.refused", "A limit on connections was reached; the peer was told to come back.") \
  TRAIL(tls_failed, kEdge, "tls.failed", "A TLS handshake failed; error= says why.")                      \
  EVENT(tls_loaded, "tls.loaded", "A certificate and its key are in use.")                         \
  EVENT(tls_refused, "tls.refused", "A new certificate or key is bad; the old pair stays in use.") \
  EVENT(tls_expiring, "tls.expiring", "A certificate ends soon; remedy= says what renews it.")     \
  /* SMTP, submission, LMTP */                                                                       \
  EVENT(smtp_connected, "smtp.connected", "A client connected.")                                   \
  EVENT(smtp_closed, "smtp.closed", "A client went; reason= says how.")                            \
  TRAIL(smtp_mail_refused, kEdge | kQueue, "smtp.mail.refused", "A sender was refused: not the user's own address.") \
  TRAIL(smtp_rcpt_accepted, kEdge | kQueue, "smtp.rcpt.accepted", "A recipient was taken; to= are the addresses it leads to, by= the lines of tables that say so.") \
  TRAIL(smtp_rcpt_refused, kEdge | kQueue, "smtp.rcpt.refused", "A recipient was refused; status=5.1.1 is an unknown user, 5.7.1 relaying.") \
  TRAIL(smtp_accepted, kEdge | kQueue, "smtp.accepted", "A message is on disk in the queue; q= is its id from here on.") \
  TRAIL(smtp_refused, kEdge | kQueue, "smtp.refused", "A message was refused after its text; reason= says why.")   \
  TRAIL(smtp_rate_refused, kEdge | kQueue, "smtp.rate.refused", "An account reached its bound of messages or recipients; its password may be stolen.") \
  TRAIL(smtp_lookup_failed, kEdge | kQueue, "smtp.lookup.failed", "A table or login could not be asked; the client was told to try later.") \
  TRAIL(smtp_unauthorised_pipelining, kEdge | kQueue, "smtp.pipelining", "A client sent ahead where it must not: a bot, or an attempt to smuggle.") \
  /* tables */                                                                                      \
  EVENT(maps_loaded, "maps.loaded", "A set of tables is in use; generation= counts them.")         \
  EVENT(maps_refused, "maps.refused", "A table has a fault; the tables of before stay in use.")    \
  EVENT(maps_warning, "maps.warning", "A table has something odd that does not hinder its use.")   \
  TRAIL(route_target_gone, kLookup, "route.target.gone", "An alias leads to an address that nobody has; its other targets got the mail, and without any it was refused.") \
  EVENT(maps_database_up, "maps.database.up", "PostgreSQL answers.")                                \
  EVENT(maps_database_down, "maps.database.down", "PostgreSQL cannot be asked; last good answers count, anything else is put off.") \
  EVENT(maps_database_fault, "maps.database.fault", "PostgreSQL refused a question; error= says why. Told once.") \
  EVENT(maps_database_schema, "maps.database.schema", "The database's tables are not those of this version; error= says what to do.") \
  /* logins */                                                                                      \
  TRAIL(auth_succeeded, kLookup, "auth.succeeded", "A user logged in.")                                     \
  TRAIL(auth_failed, kLookup, "auth.failed", "A login was refused; reason= says why, never the password.")  \
  TRAIL(auth_banned, kLookup, "auth.banned", "An address may not log in for a while: too many wrong passwords, or by command; seconds= says how long.") \
  TRAIL(auth_unbanned, kLookup, "auth.unbanned", "A ban was ended by command.")                             \
  /* sender rewriting */                                                                           \
  EVENT(srs_loaded, "srs.loaded", "The secrets of srs.secret_file are in use.")                    \
  EVENT(srs_refused, "srs.refused", "srs.secret_file has a fault; the secrets of before stay in use.") \
  TRAIL(srs_rewritten, kQueue, "srs.rewritten", "Mail that is sent on leaves with the sender as= instead of from=.") \
  TRAIL(srs_reversed, kEdge | kQueue, "srs.reversed", "Mail to a sender that was rewritten, rcpt=, goes to the sender it stands for, to=.") \
  /* the queue */                                                                                   \
  EVENT(queue_recovered, "queue.recovered", "Messages were found in the spool at the start.")      \
  TRAIL(queue_found, kQueue, "queue.found", "A message lies in the spool since before the start; the trail goes on with it.") \
  TRAIL(queue_waits, kQueue, "queue.waits", "After a round of attempts some recipients wait; next= is when they are tried again.") \
  TRAIL(queue_expired, kQueue, "queue.expired", "A recipient could not be reached for queue.expire_after; the sender gets a bounce.") \
  TRAIL(queue_held, kQueue, "queue.held", "A message is held by command; nothing is tried until it is released.") \
  TRAIL(queue_released, kQueue, "queue.released", "A message that was held goes on, by command.")   \
  TRAIL(queue_accepted, kQueue, "queue.accepted", "A message is in the spool, synced.")                    \
  TRAIL(queue_claim_refused, kQueue, "queue.claim.refused", "A role handed over a message as a user's and could not prove it; it was not taken.") \
  TRAIL(queue_scanned, kQueue, "queue.scanned", "The spam filter has judged a message; tests= are the rules that hit, with their points where spamd tells them. spam=unscanned: it passed without; spam=skipped: it was not to be asked; reason= says why, by= what setting.") \
  TRAIL(queue_discarded, kQueue, "queue.discarded", "Spam of filter.discard_score or more was thrown away, as the setting says.") \
  EVENT(lesson_learned, "lesson.learned", "spamd has learned a mail that a user called spam or ham; class= says which.") \
  EVENT(lesson_waits, "lesson.waits", "spamd cannot be taught now; what users called spam or ham is kept and tried again. error= says why.") \
  EVENT(lesson_refused, "lesson.refused", "spamd will not learn a mail, or failed at it too often; it is taught no more.") \
  EVENT(lesson_dropped, "lesson.dropped", "Too much waits to be learned, or it waited too long: the oldest was thrown away. The mails themselves stay.") \
  EVENT(lesson_failed, "lesson.failed", "What a user called spam or ham could not be kept, or read again; it is not taught.") \
  TRAIL(queue_scan_failed, kQueue, "queue.scan.failed", "spamd could not be asked; it is tried again.")    \
  TRAIL(queue_delivered, kQueue, "queue.delivered", "A recipient has the message.")                        \
  TRAIL(queue_deferred, kQueue, "queue.deferred", "A recipient could not be reached now; it is tried again.") \
  TRAIL(queue_passed_on, kQueue, "queue.passed.on", "A host put a recipient off or could not be reached; the next one is asked in the same attempt.") \
  TRAIL(queue_failed, kQueue, "queue.failed", "A recipient was refused for good; the sender gets a bounce.") \
  TRAIL(queue_bounced, kQueue, "queue.bounced", "The sender is told that a message was not delivered.")    \
  TRAIL(queue_bounce_redirected, kQueue, "queue.bounce.redirected", "Nobody has the address a program or user sent from; to= is told in its place what became of the message.") \
  TRAIL(queue_warned, kQueue, "queue.warned", "The sender is told that a message is delayed.")             \
  TRAIL(queue_confirmed, kQueue, "queue.confirmed", "The sender asked to be told of a delivery, and is.") \
  TRAIL(queue_bounce_dropped, kQueue, "queue.bounce.dropped", "A message without a sender could not be delivered; nobody is told.") \
  TRAIL(queue_removed, kQueue, "queue.removed", "All recipients of a message are done.")                   \
  TRAIL(queue_deleted, kQueue, "queue.deleted", "A message was deleted by command.")                       \
  TRAIL(queue_corrupt, kQueue, "queue.corrupt", "A file in the spool could not be read; it lies in corrupt/.") \
  TRAIL(queue_log_damaged, kQueue, "queue.log.damaged", "The end of a message's log was torn or damaged; some recipients may get it again.") \
  TRAIL(queue_disk_failed, kQueue, "queue.disk.failed", "The spool could not be written; mail waits.")     \
  TRAIL(relay_login_refused, kQueue, "relay.login.refused", "The smarthost refused our login; mail is kept, mend maps/relay-sasl.") \
  TRAIL(dkim_signed, kQueue, "dkim.signed", "A message was signed with its From domain's keys; selectors= names them.") \
  TRAIL(dkim_failed, kQueue, "dkim.failed", "A key could not be used or a message not be signed; it leaves unsigned, or waits if dkim.when_broken says so.") \
  /* the store */                                                                                   \
  TRAIL(store_delivered, kStore, "store.delivered", "A message lies in a mailbox; script= and line= asked for it, file= is its name without flags.") \
  TRAIL(store_refused, kStore, "store.refused", "A recipient was refused for lack of room, or because no mailbox can have its name; reason= says which.") \
  EVENT(store_imported, "store.imported", "posthorn import put messages= into an account.")        \
  EVENT(store_exported, "store.exported", "posthorn export read an account, or one mailbox of it.") \
  TRAIL(store_discarded, kStore, "store.discarded", "A Sieve script threw a message away, or would have refused what the filter called spam; line= of script= said so.")                \
  TRAIL(sieve_redirected, kStore, "sieve.redirected", "A Sieve script sent a message on; rcpt= is where to, child= the queue id of what was sent.") \
  TRAIL(sieve_filed, kStore, "sieve.filed", "A Sieve script filed a copy of a message because of what an IMAP client did.") \
  TRAIL(sieve_duplicate, kStore, "sieve.duplicate", "A test of a Sieve script has seen a message before.") \
  TRAIL(sieve_rejected, kStore, "sieve.rejected", "A Sieve script refused a message; its sender gets a bounce.") \
  TRAIL(store_failed, kStore, "store.failed", "A mailbox could not be written or read.")                   \
  TRAIL(sieve_answered, kStore, "sieve.answered", "Vacation has answered a message; rcpt= is whom, child= the queue id of the answer.")            \
  TRAIL(sieve_unanswered, kStore, "sieve.unanswered", "Vacation has not answered a message; reason= is why.")   \
  TRAIL(sieve_notified, kStore, "sieve.notified", "A script's notification or report was sent; rcpt= is to whom, child= the queue id of it.") \
  TRAIL(sieve_unnotified, kStore, "sieve.unnotified", "A script's notification or report was not sent; reason= is why.") \
  TRAIL(sieve_told, kStore, "sieve.told", "The owner of a script that went wrong was told by a mail.")          \
  TRAIL(sieve_failed, kStore, "sieve.failed", "A Sieve script went wrong; the message was kept.")          \
  TRAIL(sieve_said, kStore, "sieve.said", "What a Sieve script has written to the log, or a doubt about what it asked for.") \
  EVENT(sieve_refused, "sieve.refused", "A script of the site or of a user has a fault; the one of before stays in use.") \
  EVENT(sieve_loaded, "sieve.loaded", "A Sieve script of the site is in use.")                        \
  /* IMAP */                                                                                        \
  EVENT(imap_connected, "imap.connected", "A client connected by IMAP.")                           \
  EVENT(imap_closed, "imap.closed", "An IMAP client went; reason= says how.") \
  EVENT(imap_injection, "imap.injection", "A client sent something behind STARTTLS in the clear; the session was ended.") \
  EVENT(imap_unavailable, "imap.unavailable", "A login could not be checked or handed over; the client was told to try later.") \
  EVENT(imap_limited, "imap.limited", "A user has as many sessions open as imap.connections_per_user_max allows.") \
  EVENT(imap_opened, "imap.opened", "A user's session has begun.")                                 \
  EVENT(imap_failed, "imap.failed", "A command failed because of the server; error= says why.")    \
  EVENT(imap_ended, "imap.ended", "A user's session has ended.")                                   \
  /* POP3 */                                                                                        \
  EVENT(pop3_connected, "pop3.connected", "A client connected by POP3.")                           \
  EVENT(pop3_closed, "pop3.closed", "A POP3 client went; reason= says how.")                       \
  EVENT(pop3_injection, "pop3.injection", "A client sent something behind STLS in the clear; the session was ended.") \
  EVENT(pop3_unavailable, "pop3.unavailable", "A login by POP3 could not be checked or handed over; the client was told to try later.") \
  EVENT(pop3_limited, "pop3.limited", "A user has as many sessions open as pop3.connections_per_user_max allows.") \
  EVENT(pop3_opened, "pop3.opened", "A user's POP3 session has begun.")                                 \
  EVENT(pop3_failed, "pop3.failed", "A POP3 command failed because of the server; error= says why.")    \
  EVENT(pop3_ended, "pop3.ended", "A user's POP3 session has ended; retrieved= and removed= count messages.") \
  /* ManageSieve and users' scripts */                                                              \
  EVENT(managesieve_connected, "managesieve.connected", "A client connected by ManageSieve.")      \
  EVENT(managesieve_closed, "managesieve.closed", "A ManageSieve client went; reason= says how.")  \
  EVENT(managesieve_injection, "managesieve.injection", "A ManageSieve client sent something behind STARTTLS in the clear; the session was ended.") \
  EVENT(managesieve_unavailable, "managesieve.unavailable", "A login by ManageSieve could not be checked or handed over; the client was told to try later.") \
  EVENT(managesieve_limited, "managesieve.limited", "A user has as many sessions open as managesieve.connections_per_user_max allows.") \
  EVENT(managesieve_opened, "managesieve.opened", "A user's ManageSieve session has begun.")       \
  EVENT(managesieve_failed, "managesieve.failed", "A ManageSieve command failed because of the server; error= says why.") \
  EVENT(managesieve_ended, "managesieve.ended", "A user's ManageSieve session has ended.")         \
  EVENT(sieve_script_changed, "sieve.script.changed", "A user's Sieve script was put, removed, renamed, or made the active one or not; action= says which.") \
  EVENT(store_adopted, "store.adopted", "A maildir without an index was taken over; messages= counts what it holds.") \
  EVENT(store_index_rebuilt, "store.index.rebuilt", "An index was missing or broken and is built anew from the maildirs; UIDs stay.") \
  EVENT(store_index_failed, "store.index.failed", "The index could not be written; the maildir is read again later.") \
  EVENT(store_uidvalidity_changed, "store.uidvalidity.changed", "A mailbox lost its UIDs or another program gave it new ones; clients fetch it anew.") \
  EVENT(store_uids_skipped, "store.uids.skipped", "After a power cut a block of UIDs is left out, so that none is given twice.") \
  EVENT(store_uidlist_torn, "store.uidlist.torn", "A dovecot-uidlist had damaged lines; it was written anew.") \
  EVENT(store_junk_ignored, "store.junk.ignored", "Something in a maildir is no message (link, folder, odd name, not ours to read) and is passed over.") \
  EVENT(store_share_failed, "store.share.failed", "A maildir could not be shared with the Unix account of its name, which cannot read it now (store.unix_users).") \
  EVENT(store_mailbox_created, "store.mailbox.created", "A mailbox was made.")                      \
  EVENT(store_mailbox_removed, "store.mailbox.removed", "A mailbox and its messages were removed.") \
  EVENT(store_mailbox_renamed, "store.mailbox.renamed", "A mailbox got another name.")              \
  /* quotas */                                                                                      \
  EVENT(quota_full, "quota.full", "An account has reached its limit; mail to it is refused until there is room again.") \
  EVENT(quota_freed, "quota.freed", "An account that was full has room again.")                    \
  EVENT(quota_warned, "quota.warned", "An account has reached store.quota_warning percent of its limit.") \
  TRAIL(quota_refused, kStore, "quota.refused", "A message did not fit into an account's limit; by= says who brought it.") \
  EVENT(quota_rule_refused, "quota.rule.refused", "A quota rule in a row of PostgreSQL has a fault and does not count; error= names it. What is wrong in a line of conf/users is maps.warning.") \
  EVENT(quota_unknown, "quota.unknown", "An account's limit or what it holds could not be asked; the mail was taken.") \
  /* the trail */                                                                                   \
  EVENT(trail_dropped, "trail.dropped", "The trail was away or slow: records= counts what it will not know of mails, which went their way.") \
  EVENT(trail_paused, "trail.paused", "The trail keeps nothing for now: error= says why. Mail goes its way.") \
  EVENT(trail_resumed, "trail.resumed", "The trail keeps what it is told again.")                  \
  EVENT(trail_replaced, "trail.replaced", "The trail's database could not be read; it lies beside as file=, and a new one was begun.") \
  EVENT(trail_forged, "trail.forged", "A role told the trail what it may not say; it was not kept. The role may have been taken over.") \
  /* certificates by ACME */                                                                         \
  EVENT(acme_account, "acme.account", "The authority knows this server: an account was made, or found again.") \
  EVENT(acme_waiting, "acme.waiting", "A certificate is to be got or renewed; at= says when that is tried next, reason= why not now.") \
  EVENT(acme_issued, "acme.issued", "A certificate was issued and lies in paths.acme; it is in use within a moment.") \
  EVENT(acme_failed, "acme.failed", "A certificate was not issued: error= says why, remedy= what to do. The one of before stays in use.") \
  EVENT(acme_revoked, "acme.revoked", "A certificate was revoked; another one is got in its place.") \
  EVENT(acme_refused, "acme.refused", "The web role could not offer the answer to a challenge; reason= says why.") \
  EVENT(acme_told, "acme.told", "Postmaster was sent a mail about a certificate that could not be got; q= is its id.") \
  EVENT(acme_untold, "acme.untold", "The mail about a certificate could not be written; error= says why.") \
  /* the web pages */                                                                              \
  EVENT(acme_unreachable, "acme.unreachable", "As it is, an authority cannot look whether a name is ours: reason= says why, remedy= who must hand what on.") \
  EVENT(http_challenge_answered, "http.challenge.answered", "An authority asked for the proof of a name and got it: type= is the challenge.") \
  EVENT(http_challenge_offered, "http.challenge.offered", "The role acme has a name to prove: type= is how, for an hour at most.") \
  EVENT(http_challenge_unread, "http.challenge.unread", "A file of web.webroot cannot be read.")    \
  EVENT(http_served, "http.served", "A web page was asked for; status= is what came of it.")       \
  EVENT(health_changed, "health.changed", "What /health tells has changed; red= names what is wrong now.") \
  /* end */
// clang-format on

namespace posthorn::event {
using log::kEdge, log::kLookup, log::kQueue, log::kStore;
#define POSTHORN_EVENT_DECLARE(id, name, meaning) inline constexpr log::Event id{name, meaning};
#define POSTHORN_TRAIL_DECLARE(id, senders, name, meaning) \
  inline constexpr log::Event id{name, meaning, senders};
POSTHORN_EVENTS(POSTHORN_EVENT_DECLARE, POSTHORN_TRAIL_DECLARE)
#undef POSTHORN_EVENT_DECLARE
#undef POSTHORN_TRAIL_DECLARE

// All of them, in the order of the list.
std::span<const log::Event> all();
}  // namespace posthorn::event
