#include "process/listeners.h"

namespace posthorn::process {

void Listeners::serve(net::Scope& scope, const net::Listener::Options& options,
                      const net::Listener::Session& session) {
  const auto given = sockets_.extract(options.name);
  if (given.empty()) return;
  for (File& socket : given.mapped()) {
    listeners_.push_back(
        std::make_unique<net::Listener>(scope, std::move(socket), options, session));
    listeners_.back()->start();
  }
}

void Listeners::answer(net::Scope& scope, const std::string& name,
                       const net::LineHandler& handler) {
  serve(scope, {.name = name}, [&scope, handler](net::StreamPtr stream) {
    return net::serve_lines(scope, std::move(stream), handler);
  });
}

void Listeners::stop() {
  for (const auto& listener : listeners_) listener->stop();
}

std::vector<std::string> Listeners::names() const {
  std::vector<std::string> names;
  for (const auto& [name, files] : sockets_) names.push_back(name);
  return names;
}

}  // namespace posthorn::process
