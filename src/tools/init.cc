#include "tools/init.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/ids.h"
#include "process/instance.h"
#include "process/sockets.h"
#include "setup/fill.h"
#include "setup/words.h"
#include "tools/acme_terms.h"
#include "tools/check.h"
#include "tools/complain.h"
#include "tools/init_answers.h"
#include "tools/init_deeds.h"
#include "tools/instance.h"
#include "tools/settings.h"
#include "tools/terminal.h"

namespace posthorn::tools {
namespace {

std::string host_name() {
  const std::string name = look_at_machine().name;
  return name.empty() ? "localhost" : name;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// What a profile other than the default one needs not be told. A host whose name is its mail
// domain: --domain alone or --hostname alone is enough.
void complete(InitOptions& options) {
  if (options.profile.empty()) options.profile = variable("POSTHORN_PROFILE");
  if (options.profile.empty()) options.profile = "default";
  if (options.hostname.empty()) options.hostname = variable("POSTHORN_SERVER_HOSTNAME");
  if (options.hostname.empty()) options.hostname = variable("OVERRIDE_HOSTNAME");
  if (options.profile == "default") return;
  if (options.hostname.empty() && !options.domains.empty())
    options.hostname = options.domains.front();
  if (options.hostname.empty())
    options.hostname = options.profile == "local" ? host_name() : "mail.localhost";
  if (options.domains.empty()) options.domains.push_back(options.hostname);
}

// /etc/posthorn, laid out as Debian's package has it.
void take_usual_places(InitOptions& options) {
  options.folder = Path(kDefaultConfig).parent_path().parent_path();
  const auto put = [](Path& path, const char* usual) {
    if (path.empty()) path = usual;
  };
  put(options.mail, "/var/vmail");
  put(options.spool, "/var/spool/posthorn");
  put(options.run, "/run/posthorn");
  put(options.state, "/var/lib/posthorn");
  put(options.webroot, "/var/lib/posthorn/webroot");
}

void say(std::string_view text) {
  fmt::print(stderr, "{}", setup::fill(text, columns_of(STDERR_FILENO)));
}

class Init {
 public:
  explicit Init(InitOptions options) : options_(std::move(options)) {}

  Result<> prepare();
  bool has_questions() const;
  // false: not to be written, as whoever was asked wants it.
  Result<bool> talk();
  Result<> write();
  int end() const;

 private:
  bool is_guided() const {  // and not by its folder and the names alone, as ever
    const InitFlags& flags = options_.flags;
    return has_talked_ || flags.yes || !flags.account.empty() || !flags.relay.empty() ||
           !flags.acme_email.empty();
  }
  Result<> read_dms();
  Result<> check_together() const;
  void propose();
  setup::Known known() const;
  setup::Undertaking undertaking() const;
  void plan_changes();
  void take_answers();
  setup::Standing standing() const;

  InitOptions options_;
  setup::Answers answers_;
  setup::Machine machine_ = look_at_machine();
  std::optional<Present> present_;
  std::vector<setup::Change> changes_, left_;
  std::vector<std::string> added_;
  config::Config config_;  // as it is in the end
  bool has_talked_ = false;
};

Result<> Init::read_dms() {
  if (options_.dms_folder.empty()) return {};
  TRY(options_.dms, read_dms_files(options_.dms_folder));
  for (const std::string& what : options_.dms.left_out) fmt::print("left out {}\n", what);
  for (const std::string& domain : options_.dms.domains)
    if (std::ranges::find(options_.domains, domain) == options_.domains.end())
      options_.domains.push_back(domain);
  return {};
}

Result<> Init::prepare() {
  TRY_OK(read_dms());
  const bool is_usual = options_.folder.empty();
  if (is_usual) take_usual_places(options_);
  options_.folder = std::filesystem::absolute(options_.folder).lexically_normal();
  TRY_OK(check_place(options_.folder));
  for (Path* path : {&options_.acme_authority, &options_.acme_eab_key_file})
    if (!path->empty()) *path = std::filesystem::absolute(*path).lexically_normal();
  TRY(present_, find_present(options_.folder));
  if (present_ && is_usual)  // it says itself where they are
    options_.mail = options_.spool = options_.run = options_.state = options_.webroot = Path();
  if (present_ && options_.profile.empty()) options_.profile = present_->config.server.profile;
  complete(options_);
  TRY(answers_, read_flags(options_));
  if (!has_questions()) propose();
  answers_.hostname = options_.hostname;
  answers_.domains = options_.domains;
  take_answers();
  TRY_OK(check_together());
  if (!has_questions()) return check_init(options_);
  // What is asked for later is none of its concern yet.
  InitOptions asked = options_;
  if (asked.hostname.empty()) asked.hostname = "mail.example.org";
  if (asked.domains.empty()) asked.domains = {"example.org"};
  return check_init(asked);
}

// What makes no sense beside another answer.
Result<> Init::check_together() const {
  if (!answers_.acme.directory.empty() && !answers_.hostname.empty())
    if (const auto fault = setup::find_public_name_fault(answers_.hostname))
      return fail(ErrorKind::config, fmt::format("--acme: no authority issues for \"{}\": {}",
                                                 answers_.hostname, *fault));
  const std::string& address = answers_.account.address;
  if (address.empty() || has_questions()) return {};
  const auto& domains = present_ && !present_->has_pgsql ? present_->domains : answers_.domains;
  const std::string domain = address.substr(address.rfind('@') + 1);
  if (std::ranges::find(domains, domain) == domains.end())
    return fail(ErrorKind::config,
                fmt::format("--user: {} is none of the server's domains; {}", domain,
                            present_ ? fmt::format("`posthorn domain add {}` adds it", domain)
                                     : fmt::format("--domain {} adds it", domain)));
  return {};
}

// Without anybody to ask: what is there already counts, then with --yes the machine's own names.
void Init::propose() {
  if (present_) {
    if (options_.hostname.empty()) options_.hostname = present_->config.server.hostname;
    if (options_.domains.empty()) options_.domains = present_->domains;
  }
  if (!options_.flags.yes) return;
  if (options_.hostname.empty()) options_.hostname = setup::propose_host(machine_);
  if (options_.domains.empty() && !options_.hostname.empty())
    options_.domains = {setup::propose_domain(machine_, options_.hostname)};
}

bool Init::has_questions() const {
  if (options_.flags.yes || options_.profile != "default" || !is_anybody_there()) return false;
  const bool lacks_terms = !answers_.acme.email.empty() && !answers_.acme.are_terms_agreed;
  const bool lacks_password =
      (!answers_.account.address.empty() && answers_.account.password.empty()) ||
      (!answers_.relay.login.empty() && answers_.relay.password.empty());
  return options_.hostname.empty() || options_.domains.empty() || lacks_terms || lacks_password;
}

setup::Known Init::known() const {
  setup::Known known;
  known.given = answers_;
  known.random = random_bytes(setup::kMadePasswordBytes);
  known.is_account_settled = !options_.pgsql.empty();
  setup::Answers& proposals = known.proposals;
  // Where no authority can come to.
  if (options_.port_base > 0 || options_.listen.starts_with("127.") || options_.listen == "::1")
    proposals.acme.directory = "none";
  proposals.hostname = setup::propose_host(machine_);
  if (const std::string user = variable("SUDO_USER"); !user.empty() && user != "root")
    proposals.account.address = to_lower(user);
  if (!present_) {
    if (const std::string domain = setup::propose_domain(machine_, proposals.hostname);
        !domain.empty() && !machine_.mailname.empty())
      proposals.domains = {domain};
    return known;
  }
  const config::Config& is = present_->config;
  proposals.hostname = is.server.hostname;
  proposals.domains = present_->domains;
  known.recipient_delimiter = is.maps.recipient_delimiter;
  known.is_account_settled |= present_->has_accounts;
  known.is_relay_settled = !is.relay.relayhost.empty();
  known.is_acme_settled = !is.acme.directory.empty() && is.acme.agree_terms;
  return known;
}

Result<bool> Init::talk() {
  has_talked_ = true;
  setup::Dialogue dialogue(known());
  say(present_
          ? fmt::format("A server is set up in {} already. An empty answer leaves what stands in "
                        "brackets; ^C ends this, and nothing is written before the last answer.\n",
                        options_.folder.native())
          : "A mail server in a few questions. An empty answer takes what stands in brackets; ^C "
            "ends this, and nothing is written before the last answer.\n");
  if (geteuid() != 0 && options_.port_base < 0)
    say("You are not root, whose the usual ports are: with --port-base 20000 every service has its "
        "own "
        "port above that.\n");
  constexpr int kRefusedMax = 100;
  int refused = 0;
  while (auto question = dialogue.next()) {
    if (dialogue.wants_terms()) {
      dialogue.tell_terms(
          ask_for_terms(dialogue.answers().acme.directory, options_.acme_authority));
      question = dialogue.next();
    }
    if (!question->about.empty()) say("\n" + question->about + "\n");
    const std::string proposal =
        question->proposal.empty() ? "" : fmt::format(" [{}]", question->proposal);
    const bool is_hidden = question->echo == setup::Question::Echo::hidden;
    TRY(const std::string answer, ask_line(fmt::format("{}{}: ", question->words, proposal),
                                           is_hidden ? Echo::hidden : Echo::shown));
    const setup::Remark remark = dialogue.take(answer);
    if (!remark.text.empty()) say("  " + remark.text + "\n");
    if (remark.is_refusal && ++refused == kRefusedMax)
      return fail(ErrorKind::permanent, "that many answers were none");
  }
  answers_ = dialogue.answers();
  take_answers();
  plan_changes();
  say("\n" + tell_plan(undertaking()));
  while (refused++ < kRefusedMax) {
    TRY(const std::string answer, ask_line("Write that? [yes]: ", Echo::shown));
    const std::string word = to_lower(trim(answer, " \t\r"));
    if (word.empty() || word == "y" || word == "yes") return true;
    if (word == "n" || word == "no") return false;
  }
  return fail(ErrorKind::permanent, "that many answers were none");
}

void Init::take_answers() {
  options_.hostname = answers_.hostname;
  options_.domains = answers_.domains;
  options_.relay = answers_.relay;
  options_.acme = answers_.acme;
}

// Of an instance that is there: in the dialogue everything that was answered; by flags only what
// nobody has set yet, the rest is told (instance.h).
void Init::plan_changes() {
  if (!present_) return;
  const config::Config& is = present_->config;
  config::Config shall = is;
  if (!answers_.hostname.empty()) shall.server.hostname = answers_.hostname;
  if (!answers_.relay.hop.empty()) shall.relay.relayhost = answers_.relay.hop;
  if (!answers_.acme.directory.empty()) {
    shall.acme.directory = answers_.acme.directory;
    shall.acme.email = answers_.acme.email;
    shall.acme.agree_terms = answers_.acme.are_terms_agreed;
    if (!options_.acme_authority.empty()) shall.acme.authority = options_.acme_authority;
    if (!options_.acme_eab_key_id.empty()) {
      shall.acme.eab_key_id = options_.acme_eab_key_id;
      shall.acme.eab_key_file = options_.acme_eab_key_file;
    }
  }
  changes_.clear();
  left_.clear();
  for (setup::Change& change : setup::find_changes(is, shall))
    (has_talked_ || change.is_default ? changes_ : left_).push_back(std::move(change));
  added_.clear();
  if (has_talked_ && !present_->has_pgsql)
    std::ranges::copy_if(
        answers_.domains, std::back_inserter(added_), [&](const std::string& name) {
          return std::ranges::find(present_->domains, name) == present_->domains.end();
        });
}

setup::Undertaking Init::undertaking() const {
  setup::Undertaking it{.answers = answers_,
                        .folder = options_.folder,
                        .profile = options_.profile,
                        .changes = changes_,
                        .is_there = present_.has_value(),
                        .added = added_};
  return it;
}

Result<> Init::write() {
  plan_changes();
  if (present_) TRY_OK(edit_present(*present_, changes_, added_));
  TRY(config_, make_instance(options_));
  for (const setup::Change& left : left_)
    if (left.section != "server")  // said there
      fmt::print("not changed: {}: {}.{} is {}, not {}; edit it there\n",
                 config::place_of(config_, left.section, left.key), left.section, left.key, left.is,
                 left.shall);
  process::look_for_trail_account(config_);
  process::look_for_acme_account(config_);
  if (!is_guided()) return {};
  const bool is_renamed =
      std::ranges::find(changes_, "hostname", &setup::Change::key) != changes_.end();
  return do_deeds(config_, answers_, is_renamed ? Renamed::yes : Renamed::no);
}

setup::Standing Init::standing() const {
  setup::Standing standing;
  const Path conf = options_.folder / "conf/posthorn.toml";
  if (conf != kDefaultConfig) standing.conf = " -c " + conf.native();
  standing.has_dkim_keys = is_guided();
  standing.is_migrated = options_.pgsql.empty();
  std::error_code ignored;
  const auto running = process::find_instance(config_);
  if (running && *running)
    standing.service = setup::Standing::Service::running;
  else if (conf == kDefaultConfig && std::filesystem::exists("/run/systemd/system", ignored) &&
           std::filesystem::exists("/lib/systemd/system/posthorn.service", ignored))
    standing.service = setup::Standing::Service::systemd;
  return standing;
}

int Init::end() const {
  setup::Undertaking it = undertaking();
  if (it.answers.relay.hop.empty()) it.answers.relay.hop = config_.relay.relayhost;
  if (it.answers.acme.directory.empty()) it.answers.acme.directory = config_.acme.directory;
  if (it.answers.account.address.empty() && present_ && present_->has_accounts)
    it.answers.account.address = "postmaster@" + it.answers.domains.front();
  fmt::print("\nNext:\n{}",
             setup::fill(tell_next_steps(it, standing()), columns_of(STDOUT_FILENO)));
  if (!is_guided()) return 0;
  fmt::print("\nposthorn check:\n");
  std::fflush(stdout);
  return check_instance(config_);
}

}  // namespace

int init_instance(const InitOptions& options) {
  Init init(options);
  if (const auto prepared = init.prepare(); !prepared) return complain(prepared.error().what);
  if (init.has_questions()) {
    const auto agreed = init.talk();
    if (!agreed) {
      fmt::print(stderr, "\n");
      return complain(agreed.error().what + "; nothing was written");
    }
    if (!*agreed) return complain("nothing was written");
  }
  if (const auto written = init.write(); !written) return complain(written.error().what);
  return init.end();
}

}  // namespace posthorn::tools
