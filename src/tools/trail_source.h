// Where `posthorn trace` has what it tells from: the running server, or, where none runs, the
// trail's database, which this process may read or not. All of it blocks.
#pragma once

#include <memory>

#include "config/config.h"
#include "trail/book.h"

namespace posthorn::tools {

// What the trail knows at all.
struct TrailExtent {
  std::uint64_t records = 0;
  std::string first;   // as the log writes times; empty: it has nothing
  std::string paused;  // why nothing is kept now; empty: it is
};

class TrailSource {
 public:
  virtual ~TrailSource() = default;
  virtual Result<std::vector<trail::Match>> find(const trail::Search& search) = 0;
  virtual Result<trail::Life> life_of_mail(const std::string& queue_id) = 0;
  virtual Result<trail::Life> life_of_session(const std::string& session) = 0;
  virtual Result<TrailExtent> measure() = 0;
};

Result<std::unique_ptr<TrailSource>> open_trail(const config::Config& config);

}  // namespace posthorn::tools
