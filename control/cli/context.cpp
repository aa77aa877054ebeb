#include "control/cli/context.hpp"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "control/cli/humane.hpp"

namespace sanad::cli {

Terminal this_terminal() {
  Terminal terminal;
  terminal.in = ::isatty(STDIN_FILENO) == 1;
  terminal.out = ::isatty(STDOUT_FILENO) == 1;
  terminal.err = ::isatty(STDERR_FILENO) == 1;
  const char* no_color = ::getenv("NO_COLOR");
  const char* term = ::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  terminal.colours = terminal.out && !dumb && (no_color == nullptr || *no_color == '\0');
  ::winsize size{};
  if (terminal.out && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) terminal.columns = size.ws_col;
  return terminal;
}

std::string Context::paint(std::string_view text, std::string_view sgr) const {
  return terminal.colours ? fmt::format("\x1b[{}m{}\x1b[0m", sgr, text) : std::string(text);
}

Progress::Progress(Context& context, std::string what, std::size_t total)
    : context_(context), what_(std::move(what)), total_(std::max<std::size_t>(total, 1)), started_(sanad::now().boot) {}

Progress::~Progress() {
  if (visible_) context_.err << "\r\x1b[K" << std::flush;
}

void Progress::at(std::size_t done) {
  if (!context_.terminal.err) return;
  const BootTime now = sanad::now().boot;
  if (now - started_ < std::chrono::seconds(1) || now - drawn_ < std::chrono::milliseconds(100)) return;
  constexpr std::size_t kCells = 20;
  const std::size_t filled = std::min(done, total_) * kCells / total_;
  context_.err << fmt::format("\r{} [{}{}] {} of {}  {}\x1b[K", what_, std::string(filled, '#'),
                              std::string(kCells - filled, '.'), with_thousands(static_cast<std::int64_t>(done)),
                              with_thousands(static_cast<std::int64_t>(total_)), humane_duration(now - started_))
               << std::flush;
  drawn_ = now;
  visible_ = true;
}

}  // namespace sanad::cli
