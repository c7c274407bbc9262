// LocalDirectory: the answers, from the tables (in the lookup role). Aliases, catch-alls and tags
// as Postfix's virtual(5) has them; relaying only for who is logged in; senders only as addresses
// that resolve to them.
#pragma once

#include "base/log.h"
#include "config/config.h"
#include "config/next_hop.h"
#include "maps/table_set.h"
#include "message/mailbox_address.h"
#include "net/line_channel.h"
#include "route/directory.h"
#include "route/inquiry.h"
#include "route/rewriter.h"

namespace posthorn::route {

// A next hop as the configuration or a table names it.
struct NamedHop {
  std::string name;    // "[smtp.example.org]:587"
  std::string place;   // "relay.relayhost", "maps/transport:3"
  std::string sender;  // one whose mail leaves by it, where it is not everybody's
};
struct NamedHops {
  std::vector<NamedHop> hops;
  bool are_all = true;  // false: a table cannot be listed (PostgreSQL, patterns)
};

class LocalDirectory final : public Directory {
 public:
  // rewriter: nullptr: no sender is rewritten. own_addresses: of this machine, as they stand in an
  // address literal.
  LocalDirectory(const config::Config& config, const maps::Reloader& tables,
                 const Rewriter* rewriter = nullptr,
                 std::vector<std::string> own_addresses = {"127.0.0.1", "::1"})
      : config_(config),
        tables_(tables),
        rewriter_(rewriter),
        own_addresses_(std::move(own_addresses)) {}

  Answer<Expansion> recipient(RecipientQuestion question) override;
  Answer<void> sender(SenderQuestion question) override;
  Answer<Plan> plan(PlanQuestion question) override;
  net::Task<std::string> rewrite(std::string sender) override;
  // For who tries a relay out: the plan of mail that this sender sends by the hop.
  Answer<Plan> hop(std::string name, std::string sender);
  NamedHops hops() const;

 private:
  struct Walk;

  template <class T>
  static Answer<T> sure(const Inquiry& inquiry, Answer<T> asked);
  Answer<Expansion> find_recipient(Inquiry& inquiry, RecipientQuestion question) const;
  Answer<Expansion> find_reversed(Inquiry& inquiry, std::string address) const;
  net::Task<> move_from_host(Inquiry& inquiry, const RecipientQuestion& question,
                             std::string& address) const;
  static std::expected<Expansion, Refusal> deny_relay(Inquiry& inquiry, const std::string& address,
                                                      const std::string& domain);
  Answer<void> find_sender(Inquiry& inquiry, SenderQuestion question) const;
  Answer<Plan> find_plan(Inquiry& inquiry, PlanQuestion question) const;
  Answer<void> check_relay(Inquiry& inquiry, const PlanQuestion& question) const;
  net::Task<std::string> complete(Inquiry& inquiry, std::string address) const;
  net::Task<bool> is_local_domain(Inquiry& inquiry, const std::string& domain) const;
  net::Task<bool> is_in_domains(Inquiry& inquiry, const std::string& domain) const;
  net::Task<bool> has_transport(Inquiry& inquiry, const std::string& domain) const;
  // maps/vusers: what a local part stands for; the address itself, another, or nothing.
  net::Task<maps::Found> find_vuser(Inquiry& inquiry, const maps::AddressKeys& keys) const;
  net::Task<std::expected<void, Refusal>> expand_targets(Inquiry& inquiry, const std::string& value,
                                                         const std::string& tag,
                                                         const std::string& from, Walk& walk,
                                                         std::size_t depth) const;
  // The entry that makes it one; nullopt: it is none.
  net::Task<std::optional<Basis>> find_mailbox(Inquiry& inquiry,
                                               const maps::AddressKeys& keys) const;
  net::Task<bool> is_own(Inquiry& inquiry, const std::string& account,
                         const maps::AddressKeys& keys) const;
  // What one of ours leads to: a mailbox, or targets; neither: nobody has it.
  struct Entry {
    std::optional<Basis> mailbox = {};
    maps::Found targets = {};
    bool keeps_tag = false;  // the targets get the tag
  };
  net::Task<Entry> find_entry(Inquiry& inquiry, const maps::AddressKeys& keys) const;
  net::Task<std::expected<void, Refusal>> expand(Inquiry& inquiry, std::string address, Walk& walk,
                                                 std::size_t depth) const;
  struct Ending {
    Decision decision;
    Basis basis = {};
  };
  std::expected<void, Refusal> take(Inquiry& inquiry, std::string to, Walk& walk,
                                    const Ending& ending) const;
  std::optional<std::string> role_of(const std::string& address) const;
  bool is_own_host(const std::string& domain) const;
  net::Task<std::expected<void, Refusal>> expand_role(Inquiry& inquiry, const std::string& address,
                                                      Walk& walk, std::size_t depth) const;
  struct RoleHolder {
    std::string role, address;
  };
  net::Task<std::expected<bool, Refusal>> try_role(Inquiry& inquiry, RoleHolder to, Walk& walk,
                                                   std::size_t depth) const;
  Answer<Plan> relay_plan(Inquiry& inquiry, const maps::AddressKeys& keys,
                          const std::string& address, const std::string& sender) const;
  Answer<Plan> by_transport(Inquiry& inquiry, const std::string& key, const maps::Found& found,
                            const std::string& domain) const;
  net::Task<maps::Found> find_sender_relay(Inquiry& inquiry, const std::string& sender) const;
  // "[host]:port" with its login, the sender's before the host's.
  net::Task<std::expected<RelayPlan, Refusal>> smarthost(Inquiry& inquiry, std::string nexthop,
                                                         const std::string& sender) const;
  net::Task<std::vector<RelayPlan>> fallbacks(Inquiry& inquiry) const;

  const config::Config& config_;
  const maps::Reloader& tables_;
  const Rewriter* rewriter_;
  std::vector<std::string> own_addresses_;
  log::Logger log_;
};

// The same questions over the line protocol (edge, queue).
class RemoteDirectory final : public Directory {
 public:
  explicit RemoteDirectory(net::LineChannel& channel) : channel_(channel) {}
  Answer<Expansion> recipient(RecipientQuestion question) override;
  Answer<void> sender(SenderQuestion question) override;
  Answer<Plan> plan(PlanQuestion question) override;
  net::Task<std::string> rewrite(std::string sender) override;
  Answer<Plan> hop(std::string name, std::string sender);
  net::Task<NamedHops> hops();

 private:
  net::LineChannel& channel_;
};

// The lookup role's side of it; nullopt: not one of its verbs.
net::Awaitable<std::optional<net::Message>> answer_directory(Directory& directory,
                                                             const net::Message& request);
// The same of hop() and hops(), which tell a smarthost's password: for the queue alone.
net::Awaitable<std::optional<net::Message>> answer_hops(LocalDirectory& directory,
                                                        const net::Message& request);

}  // namespace posthorn::route
