#pragma once
// What every command is given: where to read and write, what the terminal can do, how to reach the daemon, what time it is.

#include <functional>
#include <istream>
#include <ostream>
#include <string>

#include "control/cli/client.hpp"
#include "gateway/base/clock.hpp"

namespace sanad::cli {

struct Terminal {
  bool in = false;       // standard input is one
  bool out = false;      // standard output is one
  bool err = false;      // standard error is one
  bool colours = false;  // out, and NO_COLOR is not set, and TERM is not dumb
  std::size_t columns = 80;
};
Terminal this_terminal();

struct Context {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  Terminal terminal;
  std::function<WallTime()> clock;
  std::string socket_path = kDefaultSocket;

  [[nodiscard]] Client client() const { return Client(socket_path); }
  [[nodiscard]] WallTime now() const { return clock(); }
  // `text` in a colour (SGR parameters, "31" red, "32" green, "33" yellow, "1" bold) where colours are on.
  [[nodiscard]] std::string paint(std::string_view text, std::string_view sgr) const;
};

// Drawn on standard error, only on a terminal, only once a second has passed.
class Progress final {
 public:
  Progress(Context& context, std::string what, std::size_t total);
  ~Progress();  // wipes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void at(std::size_t done);

 private:
  Context& context_;
  std::string what_;
  std::size_t total_;
  BootTime started_;
  BootTime drawn_{};
  bool visible_ = false;
};

}  // namespace sanad::cli
