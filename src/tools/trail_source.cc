#include "tools/trail_source.h"

#include <fmt/format.h>
#include <system_error>
#include <unistd.h>

#include "base/ascii.h"
#include "process/instance.h"
#include "process/sockets.h"
#include "tools/control.h"

namespace posthorn::tools {
namespace {

constexpr std::size_t kPagesMax = 100;

class Server final : public TrailSource {
 public:
  explicit Server(const config::Config& config) : config_(config) {}

  Result<std::vector<trail::Match>> find(const trail::Search& search) override {
    net::Message request("find");
    request.add("message_id", search.message_id)
        .add("address", search.address)
        .add("from", search.sender)
        .add("to", search.recipient)
        .add("max", std::to_string(search.max));
    if (search.since)
      request.add("since", std::to_string(search.since->time_since_epoch().count()));
    if (search.refused_only) request.add("refused", "1");
    TRY(const net::Message answer, ask(std::move(request)));
    std::vector<trail::Match> matches;
    for (const auto& [key, value] : answer.fields) {
      if (key == "id") matches.push_back({.queue_id = value, .session = {}});
      if (matches.empty()) continue;
      if (key == "session") matches.back().session = value;
      if (key == "at")
        matches.back().at =
            WallTime(std::chrono::milliseconds(to_number<std::int64_t>(value).value_or(0)));
    }
    return matches;
  }

  Result<trail::Life> life_of_mail(const std::string& queue_id) override {
    return life("mail", queue_id);
  }
  Result<trail::Life> life_of_session(const std::string& session) override {
    return life("session", session);
  }

  Result<TrailExtent> measure() override {
    TRY(const net::Message answer, ask(net::Message("status")));
    return TrailExtent{.records = to_number<std::uint64_t>(answer.get("records")).value_or(0),
                       .first = std::string(answer.get("first")),
                       .paused = std::string(answer.get("paused"))};
  }

 private:
  Result<net::Message> ask(net::Message request) {
    TRY(net::Message answer, ask_server(config_, "trail-control.sock", std::move(request)));
    if (answer.verb == "ok") return answer;
    return fail(ErrorKind::temporary,
                fmt::format("the trail does not answer: {}", answer.get("error")));
  }

  // Page by page.
  Result<trail::Life> life(const char* verb, const std::string& id) {
    trail::Life life;
    std::string after;
    for (std::size_t page = 0; page < kPagesMax; ++page) {
      TRY(const net::Message answer, ask(net::Message(verb).add("id", id).add("after", after)));
      std::string_view source;
      for (const auto& [key, value] : answer.fields) {
        if (key == "parent") life.parent = value;
        if (key == "child") life.children.push_back(value);
        if (key == "cut") life.is_cut = true;
        if (key == "source") source = value;
        if (key != "r") continue;
        TRY(trail::Record record, trail::parse_record(value));
        record.source = source;
        life.records.push_back(std::move(record));
      }
      after = answer.get("more");
      if (after.empty()) return life;
    }
    life.is_cut = true;
    return life;
  }

  const config::Config& config_;
};

class Database final : public TrailSource {
 public:
  explicit Database(bool is_running) : is_running_(is_running) {}
  Result<> open(const Path& file) { return book_.open(file, trail::Book::Access::read); }
  Result<std::vector<trail::Match>> find(const trail::Search& search) override {
    return book_.find(search);
  }
  Result<trail::Life> life_of_mail(const std::string& queue_id) override {
    return book_.life_of_mail(queue_id);
  }
  Result<trail::Life> life_of_session(const std::string& session) override {
    return book_.life_of_session(session);
  }
  Result<TrailExtent> measure() override {
    TRY(const auto extent, book_.measure());
    return TrailExtent{.records = extent.records,
                       .first = extent.first ? format_log_time(*extent.first) : "",
                       .paused = is_running_ ? "no trail is kept" : "the server is not running"};
  }

 private:
  const bool is_running_;
  trail::Book book_;
};

}  // namespace

Result<std::unique_ptr<TrailSource>> open_trail(const config::Config& config) {
  TRY(const auto pid, process::find_instance(config));
  if (pid && process::has_trail(config)) return std::make_unique<Server>(config);
  const Path file = process::trail_folder(config) / "trail.db";
  // SQLite writes beside what it reads: who may not write there cannot look, either.
  if (::access(file.c_str(), R_OK | W_OK) != 0) {
    const std::error_code code(errno, std::generic_category());
    return fail(ErrorKind::closed,
                fmt::format("{}, and {} cannot be used: {}",
                            pid ? "no trail is kept (trail.enabled)" : "the server is not running",
                            file.native(), code.message()));
  }
  auto database = std::make_unique<Database>(pid.has_value());
  TRY_OK(database->open(file));
  return database;
}

}  // namespace posthorn::tools
