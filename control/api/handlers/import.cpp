#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "control/api/handlers/handlers.hpp"
#include "control/api/json_out.hpp"
#include "control/api/peer_in.hpp"

namespace sanad::api {
namespace {

constexpr std::size_t kLineBytes = 64 * 1024;
// Parsed between two turns of the loop: a few milliseconds' worth, so that polls and other callers are not kept waiting.
constexpr std::size_t kLinesPerTurn = 200;
constexpr std::size_t kResultsPerPart = 500;

class ReportSource final : public BodySource {
 public:
  ReportSource(service::ImportReport report, bool atomic, Personal personal)
      : report_(std::move(report)), atomic_(atomic), personal_(personal) {}

  void next(std::function<void(Part)> done) override {
    if (ended_) return done(Part(std::nullopt));
    std::string out;
    const std::size_t end = std::min(report_.lines.size(), at_ + kResultsPerPart);
    for (; at_ < end; ++at_) out += boost::json::serialize(line_json(report_.lines[at_])) + "\n";
    if (at_ == report_.lines.size()) {
      out += boost::json::serialize(summary_json()) + "\n";
      ended_ = true;
    }
    done(Part(std::move(out)));
  }

 private:
  [[nodiscard]] boost::json::object line_json(const service::ImportResult& result) const {
    boost::json::object out;
    out["line"] = result.line;
    if (!result.added) {
      out["problem"] = problem_object(result.added.error());
      return out;
    }
    const auto& peer = result.added->peer.peer;
    out["id"] = peer.id;
    out["name"] = personal_ == Personal::shown ? boost::json::value(peer.name()) : boost::json::value(nullptr);
    out["evidence"] = evidence_json(result.added->evidence);
    return out;
  }

  [[nodiscard]] boost::json::object summary_json() const {
    boost::json::object summary;
    summary["added"] = report_.added;
    summary["failed"] = report_.failed;
    summary["database_ms"] = static_cast<double>(report_.database.count()) / 1000.0;
    summary["atomic"] = atomic_;
    boost::json::object out;
    out["summary"] = std::move(summary);
    return out;
  }

  service::ImportReport report_;
  bool atomic_;
  Personal personal_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

struct Import {
  const Context& context;
  Call call;
  Reply reply;
  bool atomic;
  std::string_view rest;  // of call.request.body
  std::size_t number = 0;
  std::vector<service::ImportLine> lines{};
};

void take_line(Import& import) {
  const std::size_t length = import.rest.find('\n');
  std::string_view line = import.rest.substr(0, length);
  import.rest.remove_prefix(length == std::string_view::npos ? import.rest.size() : length + 1);
  ++import.number;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return;
  if (line.size() > kLineBytes) {
    Error error{Errc::invalid_argument, "the line is over " + std::to_string(kLineBytes) + " bytes long"};
    import.lines.push_back({import.number, std::move(error)});
    return;
  }
  import.lines.push_back({import.number, parse_import_line(line)});
}

void parse_some(const std::shared_ptr<Import>& import) {
  for (std::size_t i = 0; i < kLinesPerTurn && !import->rest.empty(); ++i) take_line(*import);
  if (!import->rest.empty()) {
    boost::asio::post(import->context.io, [import] { parse_some(import); });
    return;
  }
  if (import->lines.empty()) return import->reply(problem(Error{Errc::invalid_argument, "the import has no lines"}));
  const Personal personal{import->call.may(access::Permission::personal_data_peers)};
  std::string().swap(import->call.request.body);
  import->context.services.peers.import(std::move(import->call.caller), std::move(import->lines), import->atomic,
                                        answer<service::ImportReport>(import->reply, [atomic = import->atomic, personal](service::ImportReport report) {
                                          Response response;
  response.content_type = "application/x-ndjson";
  response.stream = std::make_unique<ReportSource>(std::move(report), atomic, personal);
  return response;
}));
}  // namespace

}  // namespace sanad::api

void import_peers(const Context& context, Call call, Reply reply) {
  const bool atomic = call.query.boolean("atomic").value_or(false);
  if (auto finished = call.query.finish(); !finished) return reply(problem(finished.error()));
  auto import = std::make_shared<Import>(Import{context, std::move(call), std::move(reply), atomic, {}});
  import->rest = import->call.request.body;
  parse_some(import);
}

}  // namespace sanad::api
