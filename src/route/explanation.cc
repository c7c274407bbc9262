#include "route/explanation.h"

#include <utility>

namespace posthorn::route {
namespace {

constexpr std::pair<Decision, std::string_view> kDecisions[] = {
    {Decision::lookup, "lookup"},
    {Decision::unasked, "unasked"},
    {Decision::networks, "networks"},
    {Decision::banned, "banned"},
    {Decision::may_relay, "may_relay"},
    {Decision::any_sender, "any_sender"},
    {Decision::completed, "completed"},
    {Decision::any_domain, "any_domain"},
    {Decision::local_part, "local_part"},
    {Decision::tag_cut, "tag_cut"},
    {Decision::catch_all, "catch_all"},
    {Decision::same_name, "same_name"},
    {Decision::own_mailbox, "own_mailbox"},
    {Decision::mailbox, "mailbox"},
    {Decision::any_mailbox, "any_mailbox"},
    {Decision::vuser, "vuser"},
    {Decision::remote, "remote"},
    {Decision::target_gone, "target_gone"},
    {Decision::role_address, "role_address"},
    {Decision::own_host, "own_host"},
    {Decision::srs_reversed, "srs_reversed"},
    {Decision::relay_denied, "relay_denied"},
    {Decision::refused, "refused"},
    {Decision::sender_own, "sender_own"},
    {Decision::sender_listed, "sender_listed"},
    {Decision::sender_leads, "sender_leads"},
    {Decision::room, "room"},
    {Decision::transport, "transport"},
    {Decision::sender_relay, "sender_relay"},
    {Decision::relayhost, "relayhost"},
    {Decision::mx, "mx"},
    {Decision::relay_login, "relay_login"},
    {Decision::fallback, "fallback"},
    {Decision::rewritten, "rewritten"},
};

// Not in the middle of a sign.
void cut(std::string& text) {
  if (text.size() <= Explanation::kTextMax) return;
  std::size_t end = Explanation::kTextMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
  text += "…";
}

}  // namespace

std::string_view to_string(Decision decision) {
  for (const auto& [known, text] : kDecisions)
    if (known == decision) return text;
  return "lookup";
}

std::optional<Decision> find_decision(std::string_view text) {
  for (const auto& [decision, known] : kDecisions)
    if (known == text) return decision;
  return std::nullopt;
}

std::string Basis::text() const {
  return place.table != nullptr ? place.text() : std::string(setting);
}

void Explanation::add(Step step) {
  if (steps_.size() >= kStepsMax) {
    ++left_out_;
    return;
  }
  for (std::string* text : {&step.text, &step.basis, &step.key}) cut(*text);
  if (step.found) cut(*step.found);
  steps_.push_back(std::move(step));
}

}  // namespace posthorn::route
