// top: the gateway, live. Asks for peers, not sessions: reading sessions is recorded, and a live view would fill the log.

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "control/cli/commands.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/requests.hpp"
#include "control/cli/status_view.hpp"
#include "control/cli/text.hpp"
#include "control/cli/top_view.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::cli {
namespace {

constexpr std::size_t kRowsOnce = 1000;

struct Options {
  bool once = false;
};

// The terminal as keys need it, and its return to what it was however the view ends.
class Screen final {
 public:
  Screen() {
    ::sigset_t signals;
    ::sigemptyset(&signals);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) ::sigaddset(&signals, number);
    ::sigprocmask(SIG_BLOCK, &signals, &before_signals_);
    signals_ = UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (::tcgetattr(STDIN_FILENO, &before_) == 0) {
      has_before_ = true;
      ::termios raw = before_;
      raw.c_lflag &= ~static_cast<::tcflag_t>(ICANON | ECHO);
      ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
  }
  ~Screen() {
    if (has_before_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    ::sigprocmask(SIG_SETMASK, &before_signals_, nullptr);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // Waits for `timeout_ms`, a key or a signal; false when the view should end.
  bool wait(int timeout_ms) {
    ::pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    if (::poll(fds, 2, timeout_ms) <= 0) return true;
    if ((fds[1].revents & POLLIN) != 0) {
      ::signalfd_siginfo signal{};
      if (::read(signals_.get(), &signal, sizeof signal) == sizeof signal && signal.ssi_signo != SIGWINCH) return false;
    }
    if (fds[0].revents != 0) {
      char key = 0;
      const ::ssize_t n = ::read(STDIN_FILENO, &key, 1);
      if (n <= 0 || key == 'q' || key == 'Q' || key == 3) return false;
    }
    return true;
  }

 private:
  ::termios before_{};
  bool has_before_ = false;
  ::sigset_t before_signals_{};
  UniqueFd signals_;
};

Outcome<std::string> picture(Context& context, Rates& rates, std::size_t rows) {
  const Client client = context.client();
  const auto status = get_json(client, "/v1/status");
  if (!status) return status.error();
  std::vector<json::value> connected;
  const auto listed = for_each(client, "/v1/peers", {}, "peers", [&connected](const json::value& peer) {
    if (find(peer, "connected") != nullptr) connected.push_back(peer);
    return true;
  });
  if (!listed) return listed.error();
  Instant now = sanad::now();
  now.wall = context.now();
  return status_text(context, *status) + "\n" + top_table(rates.update(connected, now), rows);
}

Outcome<void> top(Context& context, const Options& options) {
  Rates rates;
  if (options.once || !context.terminal.out || !context.terminal.in) {
    const auto text = picture(context, rates, kRowsOnce);
    if (!text) return text.error();
    context.out << *text;
    return {};
  }
  Screen screen;
  context.out << "\x1b[?1049h\x1b[?25l";
  Outcome<void> outcome;
  for (bool going = true; going;) {
    const Terminal terminal = this_terminal();
    ::winsize size{};
    const std::size_t lines = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 12 ? size.ws_row - 12U : 12U;
    const BootTime started = now().boot;
    const auto text = picture(context, rates, lines);
    if (!text && text.error().exit == Exit::denied) {
      outcome = text.error();
      break;
    }
    // A daemon that restarts is waited for: the view says so and goes on.
    std::string shown_text = text ? *text : render(text.error());
    std::string frame = "\x1b[H";
    while (!shown_text.empty()) {
      const std::string line = shown_text.substr(0, shown_text.find('\n'));
      shown_text.erase(0, line.size() + 1);
      frame += (line.find('\x1b') == std::string::npos ? clip(line, terminal.columns) : line) + "\x1b[K\n";
    }
    context.out << frame << "\x1b[J\nq or Ctrl-C to leave\x1b[K" << std::flush;
    // A gateway with very many peers takes long to list: leave it nine tenths of its time.
    const auto took_ms = static_cast<int>((now().boot - started).count() / 1'000'000);
    going = screen.wait(std::max(1000, std::min(took_ms * 9, 60'000)));
  }
  context.out << "\x1b[?25h\x1b[?1049l" << std::flush;
  return outcome;
}

}  // namespace

void add_top_command(CLI::App& app, Chosen& chosen) {
  add_command<Options>(
      app, chosen, "top", "The gateway, live: who is connected and how fast", "sanad top",
      [](CLI::App& command, Options& o) { command.add_flag("--once", o.once, "Draw once and end"); }, top);
}

}  // namespace sanad::cli
