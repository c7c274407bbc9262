#include "lda/telling.h"

#include "base/events.h"
#include "base/metrics.h"

namespace posthorn::lda {
namespace {

using Reason = smtp::RecipientResult::Reason;

std::string_view counted_as(Reason reason) {
  switch (reason) {
    case Reason::stored:
      return "stored";
    case Reason::redirected:
      return "redirected";
    case Reason::discarded:
      return "discarded";
    case Reason::over_quota:
      return "over_quota";
    case Reason::rejected:
      return "rejected";
    case Reason::failed:
      break;
  }
  return "failed";
}

std::string_view script_of(const sieve::ScriptLine& at) {
  return at.script.empty() ? std::string_view("-") : std::string_view(at.script);
}

}  // namespace

void Telling::tell(const SentOn& sent) const {
  log_.info(event::sieve_redirected, {{"to", whose_.to},
                                      {"account", whose_.account},
                                      {"rcpt", sent.to},
                                      {"child", sent.child},
                                      {"script", script_of(sent.by.at)},
                                      {"line", sent.by.at.line}});
}

void Telling::tell(const NotSentOn& kept) const {
  log_.warn(event::sieve_failed, {{"to", whose_.to},
                                  {"rcpt", kept.to},
                                  {"reason", "redirect: " + kept.why},
                                  {"script", script_of(kept.by.at)},
                                  {"line", kept.by.at.line}});
}

void Telling::tell(const Reply& reply) const {
  const bool is_answer = reply.kind == Reply::Kind::answer;
  if (reply.child.empty())
    log_.info(is_answer ? event::sieve_unanswered : event::sieve_unnotified,
              {{"to", whose_.to},
               {"account", whose_.account},
               {"rcpt", reply.to},
               {"reason", reply.why},
               {"script", script_of(reply.by.at)},
               {"line", reply.by.at.line}});
  else
    log_.info(is_answer ? event::sieve_answered : event::sieve_notified,
              {{"to", whose_.to},
               {"account", whose_.account},
               {"rcpt", reply.to},
               {"child", reply.child},
               {"script", script_of(reply.by.at)},
               {"line", reply.by.at.line}});
}

void Telling::tell(const Fault& fault) const {
  log_.error(event::sieve_failed, {{"to", whose_.to},
                                   {"reason", fault.why},
                                   {"script", script_of(fault.at)},
                                   {"line", fault.at.line}});
}

void Telling::tell_repeat(const sieve::ScriptLine& test) const {
  log_.info(event::sieve_duplicate,
            {{"to", whose_.to}, {"script", script_of(test)}, {"line", test.line}});
}

void Telling::tell_said(std::string_view text) const {
  log_.info(event::sieve_said, {{"to", whose_.to}, {"text", text}});
}

void Telling::tell_owner_told(const store::Placed& mail) const {
  log_.info(event::sieve_told, {{"to", whose_.to},
                                {"account", whose_.account},
                                {"mailbox", mail.mailbox},
                                {"uid", mail.uid},
                                {"file", mail.file}});
}

void Telling::tell_copy(const Filed& copy) const {
  tell(event::sieve_filed, copy);
}

void Telling::tell_trouble(std::string_view error) const {
  log_.error(event::store_failed,
             {{"to", whose_.to}, {"account", whose_.account}, {"error", error}});
}

void Telling::tell(const log::Event& event, const Filed& copy) const {
  const store::Placed& placed = copy.placed;
  if (!copy.misplaced.empty())
    log_.warn(event::sieve_failed, {{"to", whose_.to},
                                    {"mailbox", copy.wanted},
                                    {"reason", copy.misplaced + ": kept in INBOX"},
                                    {"script", script_of(copy.by.at)},
                                    {"line", copy.by.at.line}});
  log_.info(event, {{"to", whose_.to},
                    {"account", whose_.account},
                    {"mailbox", placed.mailbox},
                    {"uid", placed.uid},
                    {"uidvalidity", placed.uidvalidity},
                    {"file", placed.file},
                    {"size", copy.size},
                    {"flags", copy.flags},
                    {"script", script_of(copy.by.at)},
                    {"line", copy.by.at.line},
                    {"reason", copy.by.why}});
}

void Telling::tell(const Ending& ending) const {
  if (const auto* stored = std::get_if<Stored>(&ending))
    for (const Filed& copy : stored->copies) tell(event::store_delivered, copy);
  if (const auto* dropped = std::get_if<Discarded>(&ending))
    log_.info(event::store_discarded, {{"to", whose_.to},
                                       {"account", whose_.account},
                                       {"script", script_of(dropped->by.at)},
                                       {"line", dropped->by.at.line},
                                       {"reason", dropped->by.why}});
  if (const auto* refused = std::get_if<Refused>(&ending))
    log_.info(event::sieve_rejected,
              {{"to", whose_.to},
               {"account", whose_.account},
               {"how", refused->how == sieve::Reject::How::reject ? "reject" : "ereject"},
               {"text", refused->text},
               {"script", script_of(refused->by.at)},
               {"line", refused->by.at.line}});
  if (const auto* full = std::get_if<Full>(&ending))
    log_.info(event::store_refused,
              {{"to", whose_.to},
               {"account", whose_.account},
               {"reason", full->is_put_off ? "the mailbox is full; it is tried again"
                                           : "the mailbox is full"}});
  if (const auto* impossible = std::get_if<Impossible>(&ending))
    log_.error(event::store_refused, {{"to", whose_.to}, {"reason", impossible->why}});
  if (const auto* postponed = std::get_if<Postponed>(&ending))
    log_.error(event::store_failed, {{"to", whose_.to}, {"reason", postponed->why}});
}

smtp::RecipientResult Telling::finish(const Ending& ending) const {
  tell(ending);
  smtp::RecipientResult result = result_of(ending);
  metrics::count(metric::store_deliveries, counted_as(result.reason));
  return result;
}

}  // namespace posthorn::lda
