// completion: scripts for bash, zsh and fish, written from the parser itself so that they never lag behind it.

#include <fmt/format.h>

#include "control/cli/commands.hpp"

namespace sanad::cli {
namespace {

struct Options {
  std::string shell;
};

struct Node {
  std::string path;  // "peer add"; empty for the program itself
  std::string words;
  bool takes_peer = false;
};

void collect(const CLI::App& app, const std::string& path, std::vector<Node>& nodes) {
  Node node{path, ""};
  const auto add = [&node](const std::string& word) { node.words += (node.words.empty() ? "" : " ") + word; };
  for (const CLI::App* sub : app.get_subcommands(nullptr)) add(sub->get_name());
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) add("--" + name);
    if (path.starts_with("peer ") && path != "peer add" && option->get_type_name() == "NAME" && option->get_positional())
      node.takes_peer = true;
  }
  nodes.push_back(node);
  for (const CLI::App* sub : app.get_subcommands(nullptr))
    collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), nodes);
}

std::string bash(const std::vector<Node>& nodes) {
  std::string cases;
  for (const auto& node : nodes) {
    cases += fmt::format("    \"{}\") words=\"{}\";{} ;;\n", node.path, node.words, node.takes_peer ? " peers=1" : "");
  }
  return "# sanad completion for bash: source <(sanad completion bash)\n"
         "_sanad() {\n"
         "  local path=\"\" words=\"\" peers=\"\" word i\n"
         "  local current=\"${COMP_WORDS[COMP_CWORD]}\"\n"
         "  for ((i = 1; i < COMP_CWORD && i < 3; ++i)); do\n"
         "    word=\"${COMP_WORDS[i]}\"\n"
         "    [[ $word == -* ]] && break\n"
         "    path=\"${path:+$path }$word\"\n"
         "  done\n"
         "  case \"$path\" in\n" +
         cases +
         "    *) words=\"\" ;;\n"
         "  esac\n"
         "  if [[ -n $peers && $current != -* ]]; then words=\"$(sanad peer list --names 2>/dev/null)\"; fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "  [[ ${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- \"$current\"))\n"
         "}\n"
         "complete -F _sanad sanad\n";
}

std::string zsh(const std::vector<Node>& nodes) {
  return "#compdef sanad\n# sanad completion for zsh: source <(sanad completion zsh)\nautoload -U +X bashcompinit && "
         "bashcompinit\n" +
         bash(nodes);
}

std::string fish(const std::vector<Node>& nodes) {
  std::string out = "# sanad completion for fish: sanad completion fish | source\n";
  for (const auto& node : nodes) {
    std::string condition = "__fish_use_subcommand";
    if (!node.path.empty()) {
      condition = "";
      std::string rest = node.path;
      while (!rest.empty()) {
        const std::string word = rest.substr(0, rest.find(' '));
        rest.erase(0, word.size() + 1);
        condition += (condition.empty() ? "" : "; and ") + std::string("__fish_seen_subcommand_from ") + word;
      }
    }
    std::string plain;
    std::string rest = node.words;
    while (!rest.empty()) {
      const std::string word = rest.substr(0, rest.find(' '));
      rest.erase(0, word.size() + 1);
      if (word.starts_with("--")) {
        out += fmt::format("complete -c sanad -n '{}' -l {}\n", condition, word.substr(2));
      } else {
        plain += (plain.empty() ? "" : " ") + word;
      }
    }
    if (!plain.empty()) out += fmt::format("complete -c sanad -f -n '{}' -a '{}'\n", condition, plain);
    if (node.takes_peer)
      out += fmt::format("complete -c sanad -f -n '{}' -a '(sanad peer list --names 2>/dev/null)'\n", condition);
  }
  return out;
}

}  // namespace

void add_completion_command(CLI::App& app, Chosen& chosen) {
  CLI::App* root = &app;
  add_command<Options>(
      app, chosen, "completion", "A completion script for the shell", "source <(sanad completion bash)",
      [](CLI::App& command, Options& o) {
        command.add_option("shell", o.shell, "Which shell")
            ->required()
            ->type_name("SHELL")
            ->check(CLI::IsMember({"bash", "zsh", "fish"}));
      },
      [root](Context& context, const Options& options) -> Outcome<void> {
        std::vector<Node> nodes;
        collect(*root, "", nodes);
        context.out << (options.shell == "bash" ? bash(nodes) : options.shell == "zsh" ? zsh(nodes) : fish(nodes));
        return {};
      });
}

}  // namespace sanad::cli
