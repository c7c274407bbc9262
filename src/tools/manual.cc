#include "tools/manual.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>

#include "base/clock.h"
#include "base/events.h"
#include "base/file.h"
#include "base/metrics.h"
#include "tools/roff.h"

namespace posthorn::tools {
namespace {

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

// The title, and NAME: what apropos finds.
std::string begin(const Sources& sources, std::string_view name, int section,
                  std::string_view about) {
  return fmt::format(
      ".TH \"{}\" {} \"{:%Y-%m-%d}\" \"Posthorn {}\" \"Posthorn\"\n"
      ".SH NAME\n{} \\- {}\n",
      roff_code(upper(std::string(name))), section,
      fmt::gmtime(std::chrono::system_clock::to_time_t(sources.date)), sources.version,
      roff_code(name), roff_text(about));
}

std::string tagged(std::string_view tag, std::string_view text) {
  return fmt::format(".TP\n{}\n{}\n", tag, text);
}

bool is_help(const Argument& option) {
  return std::ranges::any_of(option.names,
                             [](const std::string& name) { return name.starts_with("--help"); });
}

std::string value_of(const Argument& argument) {
  return argument.choices.empty() ? argument.value
                                  : fmt::format("{}", fmt::join(argument.choices, "|"));
}

// "[--for TEXT]", "address", "[id]", "target ...": a word of SYNOPSIS.
std::string in_synopsis(const Argument& argument, bool is_place) {
  std::string out = is_place ? fmt::format("\\fI{}\\fR", roff_code(argument.names.front()))
                             : fmt::format("\\fB{}\\fR", roff_code(argument.names.back()));
  if (!is_place && !argument.value.empty())
    out += fmt::format(" \\fI{}\\fR", roff_code(value_of(argument)));
  if (argument.may_repeat) out += " ...";
  return argument.is_required ? out : fmt::format("[{}]", out);
}

// A line of SYNOPSIS for each command that can be run, below this one, too.
void add_synopses(std::string& out, const Command& command, const std::string& words) {
  for (const Command& sub : command.commands) add_synopses(out, sub, words + " " + sub.name);
  if (!command.commands.empty()) return;
  out += fmt::format(".TP\n\\fB{}\\fR\n", roff_code(words));
  std::vector<std::string> rest;
  for (const Argument& option : command.options)
    if (!is_help(option)) rest.push_back(in_synopsis(option, false));
  for (const Argument& place : command.places) rest.push_back(in_synopsis(place, true));
  out += rest.empty() ? "\\&\n" : fmt::format("{}\n", fmt::join(rest, "\n"));
}

std::string sentence(const Argument& argument) {
  std::string out = roff_text(argument.about);
  if (!argument.bounds.empty()) out += fmt::format(" ({})", roff_text(argument.bounds));
  if (!argument.choices.empty() &&
      argument.about.find(argument.choices.front()) == std::string::npos)
    out += fmt::format(" ({})", roff_text(fmt::format("{}", fmt::join(argument.choices, ", "))));
  return out.empty() ? "\\&" : out;
}

// --help is told of once, in posthorn(1).
enum class Options { all, without_help };

void add_arguments(std::string& out, const Command& command, Options options) {
  for (const Argument& place : command.places)
    out += tagged(fmt::format("\\fI{}\\fR", roff_code(place.names.front())), sentence(place));
  for (const Argument& option : command.options) {
    if (is_help(option) && options == Options::without_help) continue;
    std::vector<std::string> names;
    for (const std::string& name : option.names)
      names.push_back(fmt::format("\\fB{}\\fR", roff_code(name)));
    const std::string value =
        option.value.empty() ? "" : fmt::format(" \\fI{}\\fR", roff_code(option.value));
    out += tagged(fmt::format("{}{}", fmt::join(names, ", "), value), sentence(option));
  }
}

void add_exit_codes(std::string& out, const Sources& sources) {
  out += ".SH EXIT STATUS\n";
  for (const ExitCode& code : sources.exit_codes)
    out += tagged(fmt::format("\\fB{}\\fR", roff_code(code.code)), roff_text(code.meaning));
}

std::string page_name(const Command& command) {
  return "posthorn-" + command.name;
}

void add_see_also(std::string& out, std::vector<std::string> others) {
  out += ".SH SEE ALSO\n";
  for (std::size_t i = 0; i < others.size(); ++i) {
    const std::size_t bracket = others[i].find('(');
    out += fmt::format(".BR {} {}{}\n", roff_code(others[i].substr(0, bracket)),
                       others[i].substr(bracket), i + 1 < others.size() ? " ," : "");
  }
}

Page program_page(const Sources& sources) {
  const Command& program = sources.program;
  // "Posthorn: a mail server": the name stands before it already.
  const std::string about = program.about.substr(
      program.about.find(": ") == std::string::npos ? 0 : program.about.find(": ") + 2);
  Page page{program.name, 1, begin(sources, program.name, 1, about)};
  page.text += ".SH SYNOPSIS\n\\fBposthorn\\fR \\fIcommand\\fR [\\fIoptions\\fR]\n";
  page.text += ".SH COMMANDS\n";
  std::vector<std::string> others = {"posthorn.toml(5)", "posthorn-tables(5)", "posthorn-events(7)",
                                     "posthorn-metrics(7)"};
  for (const Command& command : program.commands) {
    page.text +=
        tagged(fmt::format(".BR {} (1)", roff_code(page_name(command))), roff_text(command.about));
    others.insert(others.end() - 4, page_name(command) + "(1)");
  }
  page.text += ".SH OPTIONS\n";
  add_arguments(page.text, program, Options::all);
  add_exit_codes(page.text, sources);
  add_see_also(page.text, std::move(others));
  return page;
}

// Each command below it is a heading of its own.
void add_commands(std::string& out, const Command& command, const std::string& words) {
  for (const Command& sub : command.commands) {
    out += fmt::format(".SS \"{} {}\"\n{}\n", roff_code(words), roff_code(sub.name),
                       roff_text(sub.about));
    add_arguments(out, sub, Options::without_help);
    add_commands(out, sub, words + " " + sub.name);
  }
}

Page command_page(const Sources& sources, const Command& command) {
  Page page{page_name(command), 1, begin(sources, page_name(command), 1, command.about)};
  page.text += ".SH SYNOPSIS\n";
  add_synopses(page.text, command, "posthorn " + command.name);
  if (command.commands.empty()) {
    page.text += ".SH OPTIONS\n";
    add_arguments(page.text, command, Options::without_help);
  } else {
    page.text += ".SH COMMANDS\n";
    add_commands(page.text, command, "posthorn " + command.name);
  }
  add_exit_codes(page.text, sources);
  add_see_also(page.text, {"posthorn(1)", "posthorn.toml(5)"});
  return page;
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// The annotated file: "# sentence" lines before each "[section]" and "key = default". only: the one
// section that is wanted; empty: all, each with its heading.
std::string keys_of(std::string_view text, std::string_view only) {
  std::string out;
  std::string about;
  bool is_wanted = only.empty();
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.starts_with("# ")) {
      about += fmt::format("{}{}", about.empty() ? "" : "\n", roff_text(line.substr(2)));
      continue;
    }
    if (line.starts_with('[')) {
      is_wanted = only.empty() || line == fmt::format("[{}]", only);
      if (is_wanted) out += fmt::format(".SS \"{}\"\n", roff_code(line));
      if (is_wanted) out += about + '\n';
    } else if (line.find(" = ") != line.npos && is_wanted) {
      out += tagged(fmt::format("\\fB{}\\fR", roff_code(line)), about);
    }
    if (!line.empty()) about.clear();
    if (line.empty() && !about.empty()) {  // the file's own first lines
      if (only.empty()) out += about + '\n';
      about.clear();
    }
  }
  return out;
}

Page settings_page(const Sources& sources) {
  Page page{"posthorn.toml", 5, begin(sources, "posthorn.toml", 5, "Posthorn's configuration")};
  page.text += ".SH DESCRIPTION\n" + keys_of(sources.defaults, "");
  add_see_also(page.text, {"posthorn(1)", "posthorn-check(1)", "posthorn-defaults(1)",
                           "posthorn-reload(1)", "posthorn-tables(5)"});
  return page;
}

Page tables_page(const Sources& sources) {
  Page page{"posthorn-tables", 5,
            begin(sources, "posthorn-tables", 5, "Posthorn's tables: domains, mailboxes, aliases")};
  page.text += ".SH DESCRIPTION\n" + keys_of(sources.defaults, "maps") + ".SH FILES\n";
  for (const Sample& sample : sources.tables)
    page.text += fmt::format(".SS \"{}\"\n{}", roff_code(sample.file), roff_lines(sample.text));
  add_see_also(page.text, {"posthorn(1)", "posthorn-alias(1)", "posthorn-domain(1)",
                           "posthorn-postmap(1)", "posthorn-user(1)", "posthorn.toml(5)"});
  return page;
}

std::string about_of(const Command& program, std::string_view name) {
  const auto found = std::ranges::find(program.commands, name, &Command::name);
  return found == program.commands.end() ? std::string(name) : found->about;
}

Page events_page(const Sources& sources) {
  Page page{"posthorn-events", 7,
            begin(sources, "posthorn-events", 7, about_of(sources.program, "events"))};
  page.text += ".SH DESCRIPTION\n";
  for (const log::Event& event : event::all())
    page.text += tagged(fmt::format("\\fB{}\\fR", roff_code(event.name)), roff_text(event.meaning));
  add_see_also(page.text, {"posthorn(1)", "posthorn-events(1)", "posthorn-metrics(7)"});
  return page;
}

// The second word of the line that `posthorn metrics` prints.
std::string type_of(const metrics::Metric& metric) {
  const std::string line = metrics::describe(metric);
  const std::size_t begin = line.find_first_not_of(' ', line.find(' '));
  return line.substr(begin, line.find(' ', begin) - begin);
}

Page metrics_page(const Sources& sources) {
  Page page{"posthorn-metrics", 7,
            begin(sources, "posthorn-metrics", 7, about_of(sources.program, "metrics"))};
  page.text += ".SH DESCRIPTION\n";
  for (const metrics::Metric& metric : metrics::kMetrics) {
    std::string about = roff_text(metric.about);
    for (const metrics::Label& label : {metric.first, metric.second})
      if (!label.name.empty())
        about += fmt::format("\n.br\n\\fI{}\\fR: {}", roff_code(label.name),
                             roff_code(fmt::format("{}", fmt::join(label.values, ", "))));
    page.text += tagged(
        fmt::format("\\fB{}\\fR (\\fI{}\\fR)", roff_code(metric.name), type_of(metric)), about);
  }
  add_see_also(page.text, {"posthorn(1)", "posthorn-metrics(1)", "posthorn-events(7)"});
  return page;
}

int complain(std::string_view what) {
  fmt::print(stderr, "posthorn man: {}\n", what);
  return 1;
}

// Not synced: they can be made again at any time.
int write_pages(const std::vector<Page>& pages, const Path& folder) {
  for (const Page& page : pages) {
    const Path section = folder / fmt::format("man{}", page.section);
    if (const auto made = make_folders(Disk::real(), section, 0755); !made)
      return complain(made.error().what);
    const Path file = section / fmt::format("{}.{}", page.name, page.section);
    std::ofstream out(file, std::ios::binary);
    out << page.text << std::flush;
    if (!out) return complain(fmt::format("{} cannot be written", file.native()));
  }
  return 0;
}

}  // namespace

std::vector<Page> make_manual(const Sources& sources) {
  std::vector<Page> pages = {program_page(sources)};
  for (const Command& command : sources.program.commands)
    pages.push_back(command_page(sources, command));
  for (auto* const make : {settings_page, tables_page, events_page, metrics_page})
    pages.push_back(make(sources));
  return pages;
}

std::chrono::sys_days manual_date() {
  const char* const variable = std::getenv("SOURCE_DATE_EPOCH");
  const std::string_view given = variable == nullptr ? "" : variable;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), seconds);
  const auto now = error == std::errc{} && end == given.data() + given.size()
                       ? std::chrono::system_clock::time_point(std::chrono::seconds(seconds))
                       : std::chrono::system_clock::time_point(Clock::system().now());
  return std::chrono::floor<std::chrono::days>(now);
}

int run_manual(const Sources& sources, const ManualOptions& options) {
  const std::vector<Page> pages = make_manual(sources);
  if (!options.folder.empty()) return write_pages(pages, options.folder);
  if (options.page.empty()) {
    for (const Page& page : pages) fmt::print("{}({})\n", page.name, page.section);
    return 0;
  }
  for (const Page& page : pages)
    for (const std::string& name : {page.name, fmt::format("{}({})", page.name, page.section)})
      if (name == options.page || name == "posthorn-" + options.page) {
        fmt::print("{}", page.text);
        return 0;
      }
  return complain(fmt::format("there is no page {}; `posthorn man` names all", options.page));
}

}  // namespace posthorn::tools
