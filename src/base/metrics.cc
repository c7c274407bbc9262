#include "base/metrics.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <fmt/format.h>

#include "base/assert.h"
#include "base/print.h"

namespace posthorn::metrics {
namespace {

// Pool threads count too, so the cells are atomic; nothing is ordered by them.
std::array<std::atomic<std::int64_t>, kCells> cells;

constexpr auto kStarts = [] {
  std::array<std::size_t, std::size(kMetrics)> starts{};
  std::size_t sum = 0;
  for (std::size_t i = 0; i < std::size(kMetrics); ++i) {
    starts[i] = sum;
    sum += kMetrics[i].cells();
  }
  return starts;
}();

const Metric& metric_of(Id id) {
  return kMetrics[static_cast<std::size_t>(id)];
}

std::size_t position(const Label& label, std::string_view value) {
  for (std::size_t i = 0; i + 1 < label.values.size(); ++i)
    if (label.values[i] == value) return i;
  return label.values.size() - 1;
}

std::size_t cell_of(Id id, std::string_view first, std::string_view second) {
  const Metric& metric = metric_of(id);
  const std::size_t series =
      position(metric.first, first) * metric.second.values.size() + position(metric.second, second);
  return kStarts[static_cast<std::size_t>(id)] + series * metric.cells_each();
}

bool is_gauge(const Metric& metric) {
  return metric.type == Type::gauge || metric.type == Type::gauge_max;
}

std::string_view type_name(Type type) {
  switch (type) {
    case Type::counter:
      return "counter";
    case Type::gauge:
    case Type::gauge_max:
      return "gauge";
    case Type::histogram:
      return "histogram";
  }
  return "unknown";
}

// Milliseconds as seconds, with the decimal point that OpenMetrics wants in le=.
std::string seconds(std::int64_t milliseconds) {
  return milliseconds % 1000 == 0 ? fmt::format("{}.0", milliseconds / 1000)
                                  : fmt::format("{}", static_cast<double>(milliseconds) / 1000);
}

std::string labels_of(const Metric& metric, std::size_t series) {
  const std::size_t width = metric.second.values.size();
  std::string labels;
  const auto add = [&](const Label& label, std::size_t at) {
    if (label.name.empty()) return;
    print_to(labels, "{}{}=\"{}\"", labels.empty() ? "" : ",", label.name,
             escape_label(label.values[at]));
  };
  add(metric.first, series / width);
  add(metric.second, series % width);
  return labels;
}

std::string in_braces(const std::string& labels) {
  return labels.empty() ? "" : "{" + labels + "}";
}

void write_histogram(std::string& text, const Metric& metric, const std::string& labels,
                     std::span<const std::int64_t> values) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    sum += values[i];
    const std::string bound = i < std::size(kBounds) ? seconds(kBounds[i]) : "+Inf";
    print_to(text, "{}_bucket{{{}{}le=\"{}\"}} {}\n", metric.name, labels,
             labels.empty() ? "" : ",", bound, sum);
  }
  print_to(text, "{}_count{} {}\n{}_sum{} {}\n", metric.name, in_braces(labels), sum, metric.name,
           in_braces(labels), seconds(values.back()));
}

}  // namespace

void count(Id id, std::string_view first, std::string_view second, std::int64_t by) {
  cells[cell_of(id, first, second)].fetch_add(by, std::memory_order_relaxed);
}

void set(Id id, std::int64_t value, std::string_view first) {
  ASSERT(is_gauge(metric_of(id)));
  cells[cell_of(id, first, "")].store(value, std::memory_order_relaxed);
}

void observe(Id id, std::chrono::milliseconds time) {
  ASSERT(metric_of(id).type == Type::histogram);
  const std::int64_t value = std::max<std::int64_t>(time.count(), 0);
  const std::size_t start = cell_of(id, "", "");
  const auto bucket =
      static_cast<std::size_t>(std::ranges::lower_bound(kBounds, value) - std::begin(kBounds));
  cells[start + bucket].fetch_add(1, std::memory_order_relaxed);
  cells[start + std::size(kBounds) + 1].fetch_add(value, std::memory_order_relaxed);
}

Snapshot read() {
  Snapshot snapshot{};
  for (std::size_t i = 0; i < kCells; ++i) snapshot[i] = cells[i].load(std::memory_order_relaxed);
  return snapshot;
}

std::int64_t find(const Snapshot& snapshot, Id id, std::string_view first,
                  std::string_view second) {
  return snapshot[cell_of(id, first, second)];
}

void merge(Snapshot& into, const Snapshot& from) {
  std::size_t at = 0;
  for (const Metric& metric : kMetrics)
    for (const std::size_t end = at + metric.cells(); at < end; ++at)
      into[at] =
          metric.type == Type::gauge_max ? std::max(into[at], from[at]) : into[at] + from[at];
}

void keep_counters(Snapshot& snapshot) {
  for (std::size_t i = 0; i < std::size(kMetrics); ++i)
    if (is_gauge(kMetrics[i]))
      std::fill_n(snapshot.begin() + static_cast<long>(kStarts[i]), kMetrics[i].cells(), 0);
}

std::string describe(const Metric& metric) {
  std::string name(metric.name);
  if (!metric.first.name.empty())
    name += fmt::format("{{{}{}{}}}", metric.first.name, metric.second.name.empty() ? "" : ",",
                        metric.second.name);
  return fmt::format("{:<46} {:<9}  {}", name, type_name(metric.type), metric.about);
}

std::string to_line(const Snapshot& snapshot) {
  return fmt::format("{}", fmt::join(snapshot, " "));
}

Result<Snapshot> parse_line(std::string_view line) {
  Snapshot snapshot{};
  const char* at = line.data();
  const char* const end = at + line.size();
  for (std::size_t i = 0; i < kCells; ++i) {
    if (i > 0 && (at == end || *at++ != ' '))
      return fail(ErrorKind::protocol, "the metrics of another version");
    const auto [after, error] = std::from_chars(at, end, snapshot[i]);
    if (error != std::errc{}) return fail(ErrorKind::protocol, "the metrics of another version");
    at = after;
  }
  if (at != end) return fail(ErrorKind::protocol, "the metrics of another version");
  return snapshot;
}

// OpenMetrics 1.0, ABNF "escaped-string": backslash, quotation mark and line feed.
std::string escape_label(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
    } else {
      if (c == '\\' || c == '"') out += '\\';
      out += c;
    }
  }
  return out;
}

std::string write_text(const Snapshot& snapshot, std::string_view version) {
  std::string text = fmt::format(
      "# TYPE posthorn_build info\n# HELP posthorn_build The program.\n"
      "posthorn_build_info{{version=\"{}\"}} 1\n",
      escape_label(version));
  for (std::size_t i = 0; i < std::size(kMetrics); ++i) {
    const Metric& metric = kMetrics[i];
    print_to(text, "# TYPE {} {}\n", metric.name, type_name(metric.type));
    if (metric.name.ends_with("_seconds")) print_to(text, "# UNIT {} seconds\n", metric.name);
    print_to(text, "# HELP {} {}\n", metric.name, escape_label(metric.about));
    const std::size_t series = metric.first.values.size() * metric.second.values.size();
    for (std::size_t s = 0; s < series; ++s) {
      const std::string labels = labels_of(metric, s);
      const auto values =
          std::span(snapshot).subspan(kStarts[i] + s * metric.cells_each(), metric.cells_each());
      if (metric.type == Type::histogram)
        write_histogram(text, metric, labels, values);
      else
        print_to(text, "{}{}{} {}\n", metric.name, metric.type == Type::counter ? "_total" : "",
                 in_braces(labels), values.front());
    }
  }
  return text + "# EOF\n";
}

}  // namespace posthorn::metrics
