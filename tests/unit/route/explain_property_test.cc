// Proves over random tables and questions that an explanation is what is done: (a) it ends as the
// deed ends, recipients, ways and places included; (b) of all lines those that it names as found
// are enough for the same deed, so nothing else decided; (c) without the last of them it is another
// one, so each place is the line that it says. And no password stands in any.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <random>
#include <set>

#include "maps/regexp_table.h"
#include "maps/text_lines.h"
#include "route/explainer.h"
#include "route/local_directory.h"
#include "tests/support/test_loop.h"

namespace posthorn::route {
namespace {

using Random = std::mt19937;
using Line = std::pair<std::string, std::string>;  // key and value; of patterns the pattern
using Places = std::set<std::string>;              // "aliases:3"

class Dice {
 public:
  explicit Dice(std::uint32_t seed) : random_(seed) {}
  std::size_t below(std::size_t end) { return random_() % end; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  std::string any(std::initializer_list<const char*> texts) {
    return *(texts.begin() + static_cast<std::ptrdiff_t>(below(texts.size())));
  }
  std::string domain() { return any({"a.test", "b.test", "c.test", "r.example", "s.r.example"}); }
  std::string local() {
    return any({"al", "bo", "ca", "al", "bo", "nobody", "postmaster", "abuse"}) +
           any({"", "", "", "", "+t", "+Own", "-x"});
  }
  std::string address() { return local() + "@" + domain(); }
  std::string address_or_domain() { return one_in(3) ? "@" + domain() : address(); }
  // What an address may lead to.
  std::string targets() {
    std::string value;
    for (std::size_t n = 1 + below(3); n > 0; --n)
      value += (value.empty() ? "" : ", ") + (one_in(5)   ? "@" + domain()
                                              : one_in(8) ? local()
                                                          : address());
    return value;
  }
  std::string next_hop() {
    return any({"smtp:[h1.example]:2525", "smtp:h2.example", "smtp:", ":", "error:5.1.2 not here",
                "error:4.0.0 later", "pigeon:x", "smtp:[h1.example]"});
  }

 private:
  Random random_;
};

// Tables as lists of lines; what is hidden keeps its number.
struct World {
  explicit World(Dice& dice);
  std::shared_ptr<const maps::TableSet> make(
      const std::function<bool(const std::string&)>& is_kept) const;

  std::map<std::string, std::vector<Line>> tables;
  config::Config config;
};

World::World(Dice& dice) {
  const auto fill = [&](const char* name, std::size_t most, const auto& key, const auto& value) {
    for (std::size_t n = dice.below(most + 1); n > 0; --n)
      tables[name].emplace_back(key(), value());
  };
  const auto constant = [](const char* text) { return [text] { return std::string(text); }; };
  const auto either = [&] { return dice.address_or_domain(); };
  fill("domains", 3, [&] { return dice.any({"a.test", "b.test", "c.test"}); }, constant("ok"));
  fill(
      "mailboxes", 4, [&] { return dice.local() + "@" + dice.any({"a.test", "b.test"}); },
      constant("ok"));
  fill("aliases", 7, either, [&] { return dice.targets(); });
  if (dice.one_in(4))
    fill(
        "patterns", 3,
        [&] {
          return dice.any({"/^(.*)@c\\.test$/", "/^al/", "!/test$/", "/^(bo)\\+(.*)@/", "/./"});
        },
        [&] { return dice.one_in(2) ? dice.targets() : dice.any({"ca@b.test", "@a.test"}); });
  fill("senders", 3, either,
       [&] { return dice.any({"al@a.test", "bo@b.test"}) + ", " + dice.address(); });
  fill(
      "transport", 3,
      [&] {
        return dice.any({"r.example", ".r.example", ".example", "*", "al@r.example", "c.test"});
      },
      [&] { return dice.next_hop(); });
  fill("sender-relays", 2, either,
       [&] { return dice.any({"[h1.example]:587", "DUNNO", "smtp:h2.example", "smtp:"}); });
  fill(
      "relay-sasl", 4,
      [&] {
        return dice.one_in(3) ? dice.address_or_domain()
                              : dice.any({"[h1.example]:2525", "h2.example", "[h1.example]:587",
                                          "[h3.example]", "h1.example"});
      },
      [&] { return dice.any({"user:s3cret1", "other:s3cret2:x", "one:s3cret3", "s3cret"}); });
  fill(
      "vusers", 2, [&] { return dice.any({"al", "bo", "ca", "@"}); },
      [&] { return dice.any({"al", "bo", "vmail", "ca@a.test", "."}); });
  config.server.hostname = dice.any({"mx.test", "mx.test", "a.test", "r.example"});
  config.server.default_domain = dice.one_in(3) ? dice.any({"a.test", "b.test"}) : "";
  config.server.postmaster = dice.one_in(3) ? dice.address() : "";
  config.maps.recipient_delimiter = dice.any({"+", "+", "+", "+-", ""});
  config.maps.depth_max = 1 + dice.below(5);
  config.maps.expansion_max = 1 + dice.below(9);
  config.route.any_domain = dice.one_in(10)   ? config::AnyDomain::anyone
                            : dice.one_in(10) ? config::AnyDomain::users
                                              : config::AnyDomain::none;
  config.route.any_mailbox = dice.one_in(10);
  config.route.by_local_part = dice.one_in(10);
  config.route.bare_names = dice.one_in(4);
  config.relay.relayhost = dice.one_in(3) ? dice.any({"[h1.example]:587", "h2.example"}) : "";
  if (dice.one_in(4)) config.relay.fallback = {"[h3.example]"};
  config.submission.check_sender = !dice.one_in(6);
  config.smtp.relay_from = {"192.0.2.0/24"};
  config.paths.state = "/nonexistent";
}

std::shared_ptr<const maps::TableSet> World::make(
    const std::function<bool(const std::string&)>& is_kept) const {
  auto set = std::make_shared<maps::TableSet>();
  const auto add = [&](maps::TableList& list, const std::string& name) {
    const auto found = tables.find(name);
    const auto& lines = found == tables.end() ? std::vector<Line>() : found->second;
    std::vector<maps::Entry> entries;
    std::string patterns;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const bool kept = is_kept(fmt::format("{}:{}", name, i + 1));
      if (kept) entries.push_back({maps::table_key(lines[i].first), lines[i].second, i + 1});
      patterns += kept ? fmt::format("{} {}\n", lines[i].first, lines[i].second) : "\n";
    }
    if (name != "patterns") {
      if (name == "domains")
        for (const maps::Entry& entry : entries)
          if (std::ranges::find(set->domain_names, entry.key) == set->domain_names.end())
            set->domain_names.push_back(entry.key);
      list.tables.push_back(std::make_shared<maps::TextTable>(std::move(entries), name));
    } else if (!entries.empty()) {
      auto table = maps::RegexpTable::parse(patterns, name);
      EXPECT_TRUE(table) << (table ? "" : table.error().what);
      if (table) list.tables.emplace_back(*std::move(table));
    }
  };
  add(set->domains, "domains");
  add(set->mailboxes, "mailboxes");
  add(set->aliases, "aliases");
  add(set->aliases, "patterns");
  add(set->senders, "senders");
  add(set->transport, "transport");
  add(set->sender_relays, "sender-relays");
  add(set->relay_sasl, "relay-sasl");
  if (config.route.by_local_part) add(set->vusers, "vusers");
  return set;
}

struct Asked {
  enum class Of { recipient, submission, relay } of;
  std::string account, sender, address;
  bool has_sender = true;
  bool is_from_network = false;
};

Asked ask(Dice& dice) {
  Asked asked{.of = static_cast<Asked::Of>(dice.below(3)),
              .account = dice.any({"al@a.test", "bo@b.test", "ca@a.test"}),
              .sender = dice.one_in(6)   ? ""
                        : dice.one_in(8) ? dice.local()
                                         : dice.address(),
              .address = dice.one_in(8) ? dice.local() : dice.address()};
  asked.has_sender = !dice.one_in(5);
  asked.is_from_network = dice.one_in(3);
  if (dice.one_in(30)) asked.address = dice.any({"", "a b@a.test", "al@@a.test", "@a.test"});
  return asked;
}

std::string show_reply(int code, const std::string& enhanced, const std::string& text) {
  return fmt::format("{} {} {}\n", code, enhanced, text);
}

std::string show_relay(const RelayPlan& plan) {
  return fmt::format("{}{}:{}{}, tls {}", plan.use_mx ? "the MX hosts of " : "", plan.host,
                     plan.port, plan.user.empty() ? "" : " as " + plan.user, to_string(plan.tls));
}

// What is done: by hand what the SMTP server and the queue ask, without anybody who writes it down.
struct Deed {
  Deed(test::TestLoop& test_loop, LocalDirectory& to_ask, const config::Config& settings)
      : loop(test_loop), directory(to_ask), config(settings) {}

  std::string of(const Asked& asked) {
    if (asked.of == Asked::Of::relay) {
      const std::string sender = asked.has_sender ? asked.sender : "";
      if (!message::parse_mailbox_address(asked.address))
        return show_reply(553, "5.1.3", "The recipient's address has a fault");
      const std::string way = plan({.address = asked.address, .sender = sender}, "");
      if (!is_unknown) return last + way;
    }
    const bool is_relay = asked.of == Asked::Of::relay;
    const bool is_user = asked.of == Asked::Of::submission;
    if (is_user && config.submission.check_sender && !asked.sender.empty()) {
      const auto may = loop.run(directory.sender({asked.account, asked.sender}));
      if (!may) return show_reply(451, "4.3.0", "Temporary lookup failure");
      if (!*may) return show_reply(may->error().code, may->error().enhanced, may->error().text);
    }
    const bool has_sender = is_user || asked.has_sender;
    const auto answer = loop.run(
        directory.recipient({.address = asked.address,
                             .may_relay = is_user || (asked.is_from_network && !is_relay),
                             .is_notice = has_sender && asked.sender.empty() && !is_relay}));
    if (!answer) return show_reply(451, "4.3.0", "Temporary lookup failure");
    if (!*answer)
      return show_reply(answer->error().code, answer->error().enhanced, answer->error().text);
    std::string out = show_reply(250, "2.1.5", "Ok");
    for (std::size_t i = 0; i < (*answer)->recipients.size(); ++i) {
      PlanQuestion question{.address = (*answer)->recipients[i],
                            .sender = has_sender ? asked.sender : ""};
      if (!is_user) question.named = asked.address;
      out += plan(question, (*answer)->by.at(i));
    }
    return out;
  }

  std::string plan(const PlanQuestion& question, std::string by) {
    const auto answer = loop.run(directory.plan(question));
    std::string way;
    is_unknown = answer && !*answer && answer->error().reason == Reason::unknown;
    last = show_reply(250, "2.1.5", "Ok");
    if (!answer) {
      way = "waits: " + answer.error().what;
      last = show_reply(451, "4.3.0", "Temporary lookup failure");
    } else if (!*answer) {
      const Refusal& no = answer->error();
      way = fmt::format("{}: {} {} {}", no.code < 500 ? "waits" : "comes back", no.code,
                        no.enhanced, no.text);
      last = show_reply(no.code, no.enhanced, no.text);
    } else {
      std::string basis;
      const std::vector<RelayPlan>* fallbacks = nullptr;
      if (const auto* local = std::get_if<LocalPlan>(&**answer)) {
        way = "the mailbox of " + local->account;
        if (!local->tag.empty()) way += ", tag " + local->tag;
        basis = local->by;
      } else if (const auto* relay = std::get_if<RelayPlan>(&**answer)) {
        way = show_relay(*relay);
        fallbacks = &relay->fallbacks;
        basis = relay->by;
      } else {
        const auto& mx = std::get<MxPlan>(**answer);
        way = "the MX hosts of " + mx.domain;
        fallbacks = &mx.fallbacks;
        basis = mx.by;
      }
      if (fallbacks != nullptr)
        for (const RelayPlan& next : *fallbacks) way += "; then " + show_relay(next);
      if (!basis.empty() && !by.ends_with(basis)) by += (by.empty() ? "" : ", ") + basis;
    }
    return fmt::format("{} [{}] {}\n", question.address, by, way);
  }

  test::TestLoop& loop;
  LocalDirectory& directory;
  const config::Config& config;
  std::string last;
  bool is_unknown = false;  // of the last plan: a name of ours without a mailbox
};

// One set of tables that answers.
struct Answering {
  Answering(test::TestLoop& test_loop, const World& world,
            const std::function<bool(const std::string&)>& is_kept)
      : loop(test_loop),
        config(world.config),
        tables(loop.scope(), loop.pool(), world.config, world.make(is_kept)),
        directory(world.config, tables) {}

  std::string deed(const Asked& asked) { return Deed(loop, directory, config).of(asked); }

  Explained explain(const Asked& asked) {
    Explainer explainer(config, {.directory = directory});
    Result<Explained> explained;
    if (asked.of == Asked::Of::recipient)
      explained = loop.run(explainer.explain_recipient(
          {.address = asked.address,
           .sender = asked.has_sender ? std::optional(asked.sender) : std::nullopt,
           .client = asked.is_from_network ? "192.0.2.7" : "198.51.100.7"}));
    else if (asked.of == Asked::Of::submission)
      explained = loop.run(explainer.explain_submission(
          {.account = asked.account, .sender = asked.sender, .recipient = asked.address}));
    else
      explained = loop.run(explainer.explain_relay(
          {.address = asked.address, .sender = asked.has_sender ? asked.sender : ""}));
    EXPECT_TRUE(explained) << (explained ? "" : explained.error().what);
    return explained.value_or(Explained{});
  }

  test::TestLoop& loop;
  const config::Config& config;
  maps::Reloader tables;
  LocalDirectory directory;
};

std::string outcome_of(const Explained& explained) {
  std::string out =
      show_reply(explained.reply.code, explained.reply.enhanced, explained.reply.text);
  for (const Leads& leads : explained.leads)
    out += fmt::format("{} [{}] {}\n", leads.address, leads.by, leads.way);
  return out;
}

std::string steps_of(const Explained& explained) {
  std::string out;
  for (const Step& step : explained.steps.steps())
    out += fmt::format("{} {} [{}] {}\n", to_string(step.decision), step.text, step.basis,
                       step.found.value_or("-"));
  return out;
}

std::string describe(const World& world, const Asked& asked) {
  std::string out =
      fmt::format("\nasked {} as {} from \"{}\"{} to \"{}\"{}\n", static_cast<int>(asked.of),
                  asked.account, asked.sender, asked.has_sender ? "" : " (none)", asked.address,
                  asked.is_from_network ? " of the network" : "");
  for (const auto& [name, lines] : world.tables)
    for (std::size_t i = 0; i < lines.size(); ++i)
      out += fmt::format("{}:{} {} {}\n", name, i + 1, lines[i].first, lines[i].second);
  return out;
}

// Explanations that rested on a line, refusals among the outcomes, those with another server: what
// came up at all, so that a generator that asks nothing of interest is noticed.
struct Tally {
  std::size_t asked = 0, rests = 0, taken = 0, refused = 0, unasked = 0, several = 0;
  std::set<Decision> decisions;
};

void compare(test::TestLoop& loop, const World& world, Answering& whole, const Asked& asked,
             Tally& tally) {
  const std::string deed = whole.deed(asked);
  const Explained explained = whole.explain(asked);
  const std::string told = outcome_of(explained), steps = steps_of(explained);
  ASSERT_EQ(told, deed) << steps << describe(world, asked);  // (a)
  ASSERT_EQ(steps.find("s3cret"), std::string::npos) << steps;
  ++tally.asked;
  tally.several += explained.leads.size() > 1 ? 1 : 0;
  tally.taken += explained.outcome == Explained::Outcome::taken ? 1 : 0;
  tally.refused += explained.outcome == Explained::Outcome::refused ? 1 : 0;
  tally.unasked += explained.outcome == Explained::Outcome::unasked ? 1 : 0;
  Places named;
  std::string last;
  for (const Step& step : explained.steps.steps()) {
    tally.decisions.insert(step.decision);
    if (!step.found) continue;
    named.insert(step.basis);
    last = step.basis;
  }
  if (explained.steps.left_out() > 0) return;  // not all of it was told
  Answering reduced(loop, world, [&](const std::string& place) { return named.contains(place); });
  ASSERT_EQ(reduced.deed(asked), deed) << steps << describe(world, asked);  // (b)
  if (last.empty()) return;
  ++tally.rests;
  Answering without(loop, world, [&](const std::string& place) { return place != last; });
  const Explained other = without.explain(asked);
  ASSERT_NE(steps_of(other), steps) << last << "\n" << steps << describe(world, asked);  // (c)
}

void compare_many(std::size_t count, std::uint32_t seed) {
  constexpr std::size_t kOfOneWorld = 10;
  log::capture([](std::string_view) {});  // targets that are gone, by the thousand
  test::TestLoop loop;
  Tally tally;
  for (std::uint32_t number = 0; tally.asked < count; ++number) {
    Dice dice(seed + number);
    const World world(dice);
    Answering whole(loop, world, [](const std::string&) { return true; });
    for (std::size_t i = 0; i < kOfOneWorld; ++i) {
      compare(loop, world, whole, ask(dice), tally);
      if (testing::Test::HasFatalFailure()) {
        ADD_FAILURE() << "the world of seed " << seed + number;
        return;
      }
    }
  }
  log::capture(nullptr);
  EXPECT_GT(tally.rests, count / 3);
  EXPECT_GT(tally.taken, count / 5);
  EXPECT_GT(tally.refused, count / 5);
  EXPECT_GT(tally.unasked, count / 100);
  EXPECT_GT(tally.several, count / 200);
  // All but what needs a store, a secret, a ban or another process.
  for (const Decision decision :
       {Decision::may_relay,  Decision::any_sender,    Decision::completed,
        Decision::any_domain, Decision::local_part,    Decision::tag_cut,
        Decision::catch_all,  Decision::same_name,     Decision::own_mailbox,
        Decision::mailbox,    Decision::any_mailbox,   Decision::vuser,
        Decision::remote,     Decision::target_gone,   Decision::role_address,
        Decision::own_host,   Decision::relay_denied,  Decision::refused,
        Decision::sender_own, Decision::sender_listed, Decision::sender_leads,
        Decision::transport,  Decision::sender_relay,  Decision::relayhost,
        Decision::mx,         Decision::relay_login,   Decision::fallback})
    EXPECT_TRUE(tally.decisions.contains(decision)) << to_string(decision);
}

TEST(ExplainProperty, AnExplanationIsTheDeed) {
  compare_many(1'000, 1);
}

TEST(FullExplainProperty, AHundredThousandAreTheDeed) {
  compare_many(100'000, 1'000'000);
}

}  // namespace
}  // namespace posthorn::route
