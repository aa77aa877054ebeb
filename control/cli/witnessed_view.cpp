#include "control/cli/witnessed_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string>

#include "control/audit/leaf_read.hpp"
#include "control/audit/tile.hpp"
#include "control/cli/humane.hpp"
#include "control/cli/text.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::cli {
namespace {

namespace json = boost::json;

std::string records(std::uint64_t count) {
  return with_thousands(static_cast<std::int64_t>(count)) + (count == 1 ? " record" : " records");
}

// The time of a record; nothing when its bundle is gone.
std::optional<std::int64_t> time_of(const audit::LogReader& log, std::uint64_t index, std::uint64_t size) {
  const std::uint64_t number = index / audit::kTileWidth;
  const auto width = static_cast<unsigned>(std::min<std::uint64_t>(audit::kTileWidth, size - number * audit::kTileWidth));
  audit::Bundle bundle;
  if (!log.entries(number, width, bundle)) return std::nullopt;
  const auto entry = bundle.entries[index % audit::kTileWidth];
  const auto leaf = audit::read_leaf({reinterpret_cast<const char*>(entry.data()), entry.size()});
  if (!leaf) return std::nullopt;
  return leaf->time_ms;
}

bool is_missing(const WitnessReport& report) { return report.witnessed.quorum == 0U; }

}  // namespace

Result<WitnessReport> ask_witnesses(const audit::LogReader& log, const audit::VerifiedLog& verified,
                                    const std::vector<audit::VerifierKey>& log_keys, const WitnessQuestion& question,
                                    const std::vector<audit::NamedCheckpoint>& own) {
  const audit::Policy policy = question.policy.value_or(audit::Policy{});
  auto witnessed = audit::check_witnesses(log, verified.checkpoint, log_keys, policy, own, question.kept);
  if (!witnessed) return std::move(witnessed).error();
  WitnessReport report{*std::move(witnessed), {}};
  for (const auto& says : report.witnessed.by) {
    std::optional<std::int64_t> seconds;
    if (says.size > 0 && verified.last_ms) {
      if (const auto at = time_of(log, says.size - 1, verified.checkpoint.size)) seconds = (*verified.last_ms - *at) / 1000;
    }
    report.before_last_s.push_back(seconds);
  }
  return report;
}

void print_witnessed(Context& context, const WitnessReport& report, const WitnessQuestion& question,
                     const audit::VerifiedLog& verified) {
  const std::uint64_t size = verified.checkpoint.size;
  std::string urls;
  if (question.policy) {
    for (std::size_t i = 0; i < question.policy->witnesses.size(); ++i) {
      const auto& witness = question.policy->witnesses[i];
      const auto& says = report.witnessed.by[i];
      if (!witness.url.empty())
        urls += fmt::format("      curl -o kept {}/{}/checkpoint\n", safe(witness.url),
                            hex_encode(sha256(as_bytes(verified.checkpoint.origin))));
      context.out << "cosigned  ";
      if (says.size == 0) {
        context.out << context.paint("not", "33") << " by " << safe(witness.key.name) << "\n";
        continue;
      }
      context.out << "by " << safe(witness.key.name) << " up to record "
                  << with_thousands(static_cast<std::int64_t>(says.size - 1));
      if (says.size == size) {
        context.out << ", the last";
      } else if (report.before_last_s[i]) {
        context.out << fmt::format(" ({} before the last)", humane_duration(std::chrono::seconds(*report.before_last_s[i])));
      }
      context.out << "\n";
    }
    if (!report.witnessed.quorum) {
      context.out << "quorum    none: the policy asks for no witness\n";
    } else if (!is_missing(report)) {
      context.out << "quorum    vouches for " << (*report.witnessed.quorum == size ? "all " : "the first ")
                  << records(*report.witnessed.quorum) << "\n";
    }
  }
  if (!question.kept.empty()) {
    context.out << "kept      " << question.kept.size() << (question.kept.size() == 1 ? " checkpoint" : " checkpoints")
                << " from elsewhere, of up to " << records(report.witnessed.kept) << ": the log grew out of them\n";
    return;
  }
  context.out
      << "note: a log cut back to an earlier checkpoint looks like this too. Only a later checkpoint, kept elsewhere, tells:\n"
      << (urls.empty() ? "" : "      what a witness shows,\n") << urls
      << "      sanad log verify --checkpoint CHECKPOINT-YOU-KEPT\n";
}

void add_witnessed(const WitnessReport& report, const WitnessQuestion& question, json::object& answer) {
  if (!question.kept.empty()) answer["kept_records"] = report.witnessed.kept;
  if (!question.policy) return;
  json::array witnesses;
  for (std::size_t i = 0; i < question.policy->witnesses.size(); ++i) {
    const auto& says = report.witnessed.by[i];
    json::object one{{"name", question.policy->witnesses[i].name},
                     {"key", audit::to_vkey(question.policy->witnesses[i].key)},
                     {"records", says.size}};
    one["cosigned_at"] = says.size == 0
                             ? json::value()
                             : json::value(to_rfc3339(WallTime{static_cast<std::int64_t>(says.timestamp) * 1'000'000'000}));
    one["before_last_s"] = report.before_last_s[i] ? json::value(*report.before_last_s[i]) : json::value();
    witnesses.emplace_back(std::move(one));
  }
  answer["witnesses"] = std::move(witnesses);
  answer["quorum_records"] = report.witnessed.quorum ? json::value(*report.witnessed.quorum) : json::value();
}

Outcome<void> demand_quorum(const WitnessReport& report, const WitnessQuestion& question) {
  if (!question.policy || !is_missing(report)) return {};
  const auto cosigned = std::count_if(report.witnessed.by.begin(), report.witnessed.by.end(),
                                      [](const audit::WitnessSays& says) { return says.size > 0; });
  return Failure{
      Exit::failure,
      fmt::format("the quorum that the policy asks for is missing: {} of its {} witnesses have cosigned anything of this log",
                  cosigned, report.witnessed.by.size()),
      "Nobody outside vouches that it was not rewritten: ask the witnesses for the checkpoint they have, and give it "
      "with --checkpoint"};
}

}  // namespace sanad::cli
