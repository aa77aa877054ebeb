#include <exception>
#include <iostream>

#include "control/cli/commands.hpp"

int main(int argc, char** argv) {
  using namespace sanad::cli;
  try {
    return run_cli(argc, argv, Context{std::cin, std::cout, std::cerr, this_terminal(), [] { return sanad::now().wall; }});
  } catch (const std::exception& bug) {
    std::cerr << "error: a bug in sanad: " << bug.what() << "\n";
    return static_cast<int>(Exit::failure);
  }
}
