#include "tools/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace posthorn::tools {
namespace {

// In single quotes, for bash and zsh.
std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// In single quotes, for fish: there a backslash is one within them, too.
std::string in_fish_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// A command and the words that lead to it: "" for the program, "queue", "queue retry".
struct Place {
  std::string words;
  const Command* command;
};

void add_places(std::vector<Place>& out, const Command& command, const std::string& words) {
  out.push_back({words, &command});
  for (const Command& sub : command.commands)
    add_places(out, sub, words.empty() ? sub.name : words + " " + sub.name);
}

std::vector<Place> places_of(const Command& program) {
  std::vector<Place> out;
  add_places(out, program, "");
  return out;
}

// "queue" | "queue retry" …: the patterns of every place, quoted.
std::string patterns(const std::vector<Place>& places, std::string_view between) {
  std::vector<std::string> words;
  for (const Place& place : places)
    if (!place.words.empty()) words.push_back(in_quotes(place.words));
  return fmt::format("{}", fmt::join(words, between));
}

// Commands, and the values of places that have few.
std::vector<std::string> words_at(const Command& command) {
  std::vector<std::string> words;
  for (const Command& sub : command.commands) words.push_back(sub.name);
  for (const Argument& place : command.places)
    for (const std::string& choice : place.choices)
      if (std::ranges::find(words, choice) == words.end()) words.push_back(choice);
  return words;
}

std::vector<std::string> option_names(const Command& command) {
  std::vector<std::string> names;
  for (const Argument& option : command.options)
    names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

// "name:sentence", as _describe of zsh reads it.
std::string described(std::string_view name, std::string_view about) {
  std::string out;
  for (const char c : name) out += c == ':' ? std::string("\\:") : std::string(1, c);
  return in_quotes(fmt::format("{}:{}", out, about));
}

}  // namespace

std::string complete_bash(const Command& program) {
  const std::vector<Place> places = places_of(program);
  std::string out = fmt::format(
      R"(# Completion of {0} for bash; made by `{0} completion bash`.
_{0}() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
  local at= words= options= i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case $at${{at:+ }}${{COMP_WORDS[i]}} in
      {1}) at=$at${{at:+ }}${{COMP_WORDS[i]}} ;;
    esac
  done
  case "$at $before" in
)",
      program.name, patterns(places, " | "));
  for (const Place& place : places)
    for (const Argument& option : place.command->options)
      for (const std::string& name : option.names)
        if (!option.value.empty())
          out += fmt::format("    {}) {} return ;;\n", in_quotes(place.words + " " + name),
                             option.choices.empty()
                                 ? ""
                                 : fmt::format("mapfile -t COMPREPLY < <(compgen -W '{}' -- "
                                               "\"$current\");",
                                               fmt::join(option.choices, " ")));
  out += "  esac\n  case $at in\n";
  for (const Place& place : places)
    out += fmt::format("    {}) words='{}' options='{}' ;;\n", in_quotes(place.words),
                       fmt::join(words_at(*place.command), " "),
                       fmt::join(option_names(*place.command), " "));
  out += fmt::format(R"(  esac
  [[ $current != -* ]] || words=$options
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _{0} {0}
)",
                     program.name);
  return out;
}

std::string complete_zsh(const Command& program) {
  const std::vector<Place> places = places_of(program);
  std::string out = fmt::format(R"(#compdef {0}
# Completion of {0} for zsh; made by `{0} completion zsh`.
_{0}() {{
  local at= before=$words[CURRENT-1] i
  local -a names options
  for ((i = 2; i < CURRENT; i++)); do
    case $at${{at:+ }}$words[i] in
      ({1}) at=$at${{at:+ }}$words[i] ;;
    esac
  done
  case "$at $before" in
)",
                                program.name, patterns(places, "|"));
  for (const Place& place : places)
    for (const Argument& option : place.command->options)
      for (const std::string& name : option.names)
        if (!option.value.empty())
          out += fmt::format("    ({}) {}; return ;;\n", in_quotes(place.words + " " + name),
                             option.choices.empty()
                                 ? "_files"
                                 : fmt::format("compadd -- {}", fmt::join(option.choices, " ")));
  out += "  esac\n  case $at in\n";
  for (const Place& place : places) {
    std::vector<std::string> names;
    for (const Command& sub : place.command->commands)
      names.push_back(described(sub.name, sub.about));
    for (const Argument& argument : place.command->places)
      for (const std::string& choice : argument.choices)
        names.push_back(described(choice, argument.names.front()));
    std::vector<std::string> options;
    for (const Argument& option : place.command->options)
      for (const std::string& name : option.names) options.push_back(described(name, option.about));
    out += fmt::format("    ({})\n      names=({})\n      options=({})\n      ;;\n",
                       in_quotes(place.words), fmt::join(names, " "), fmt::join(options, " "));
  }
  out += fmt::format(R"(  esac
  if [[ $PREFIX == -* ]]; then
    _describe option options
  elif (( $#names )); then
    _describe command names
  else
    _files
  fi
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _{0} "$@"
else
  compdef _{0} {0}
fi
)",
                     program.name);
  return out;
}

std::string complete_fish(const Command& program) {
  const std::vector<Place> places = places_of(program);
  std::string out = fmt::format(R"(# Completion of {0} for fish; made by `{0} completion fish`.
function __{0}_at
    set -l tokens (commandline -opc)
    set -e tokens[1]
    set -l at
    for token in $tokens
        switch (string join -- ' ' $at $token)
            case {1}
                set at $at $token
        end
    end
    test "$at" = "$argv"
end
)",
                                program.name, patterns(places, " "));
  for (const Place& place : places) {
    const std::string begin =
        fmt::format("complete -c {} -n {}", program.name,
                    in_fish_quotes(fmt::format("__{}_at {}", program.name, place.words)));
    for (const Command& sub : place.command->commands)
      out += fmt::format("{} -f -a {} -d {}\n", begin, sub.name, in_fish_quotes(sub.about));
    for (const Argument& argument : place.command->places)
      if (!argument.choices.empty())
        out += fmt::format("{} -f -a '{}' -d {}\n", begin, fmt::join(argument.choices, " "),
                           in_fish_quotes(argument.names.front()));
    for (const Argument& option : place.command->options) {
      out += begin;
      for (const std::string& name : option.names)
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!option.choices.empty())
        out += fmt::format(" -x -a '{}'", fmt::join(option.choices, " "));
      else if (!option.value.empty())
        out += " -r";
      out += fmt::format(" -d {}\n", in_fish_quotes(option.about));
    }
  }
  return out;
}

int print_completion(const Command& program, std::string_view shell) {
  fmt::print("{}", shell == "bash"  ? complete_bash(program)
                   : shell == "zsh" ? complete_zsh(program)
                                    : complete_fish(program));
  return 0;
}

}  // namespace posthorn::tools
