// log verify: everything a log's directory claims, checked against itself, the auditor's keys, witnesses and certificates.

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "control/audit/pruned.hpp"
#include "control/audit/verifier.hpp"
#include "control/audit/witnessed.hpp"
#include "control/cli/commands.hpp"
#include "control/cli/humane.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/log_source.hpp"
#include "control/cli/log_trust.hpp"
#include "control/cli/text.hpp"
#include "control/cli/witnessed_view.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::cli {
namespace {

struct VerifyOptions {
  LogSource source;
  std::vector<std::string> trust;
  std::string level = "company";
  unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  std::string policy;             // a file
  std::vector<std::string> kept;  // files with checkpoints from elsewhere
  bool json = false;
};

std::string counted(std::size_t count, const char* one, const char* many) {
  return with_thousands(static_cast<std::int64_t>(count)) + " " + (count == 1 ? one : many);
}

void print_verified(Context& context, const audit::VerifiedLog& log, std::chrono::nanoseconds took) {
  const auto& tree = log.checkpoint;
  context.out << context.paint("good", "32") << "  " << counted_records(tree.size) << " of " << safe(tree.origin) << ", "
              << counted(log.epochs.size(), "signing epoch", "signing epochs") << ", "
              << counted(log.registrations.size(), "certificate", "certificates") << ", checked in " << humane_duration(took)
              << "\n";
  context.out << "root      " << base64_encode(tree.root) << "\n";
  context.out << "signed by " << safe(log.signed_by) << "\n";
  if (log.first_ms && log.last_ms) {
    context.out << "from      " << to_rfc3339(WallTime::from_ms(*log.first_ms)) << " to "
                << to_rfc3339(WallTime::from_ms(*log.last_ms)) << "\n";
  }
  if (log.past_retention) context.out << "retention " << audit::sentence(*log.past_retention) << "\n";
  context.out << "archive   " << log.archived << (log.archived == 1 ? " earlier checkpoint" : " earlier checkpoints")
              << ", all of them of the same history\n";
  if (log.clock_steps_back > 0) {
    context.out << "clock     went back " << log.clock_steps_back << " times; the records around say why\n";
  }
  if (log.by_its_own_keys) {
    context.out << "note: the key is the one the directory itself names. Whoever could write the directory could have made it:\n"
                   "      compare it with what the gateway printed (sanad log key), or give yours with --key.\n";
  }
}

// The policy and the checkpoints from elsewhere, read before the log is.
Outcome<WitnessQuestion> question_of(const VerifyOptions& options) {
  WitnessQuestion question;
  if (!options.policy.empty()) {
    auto text = read_text_file(options.policy, audit::kMaxPolicyBytes);
    if (!text) return text.error();
    auto policy = audit::parse_policy(*text);
    if (!policy) return Failure{Exit::usage, options.policy + ": " + policy.error().message, {}, "--policy"};
    question.policy = *std::move(policy);
  }
  for (const auto& file : options.kept) {
    auto text = read_text_file(file, audit::kMaxNoteBytes);
    if (!text) return text.error();
    question.kept.push_back({file, *std::move(text)});
  }
  return question;
}

Outcome<void> verify(Context& context, const VerifyOptions& options) {
  auto keys = given_keys(options.source);
  if (!keys) return keys.error();
  auto question = question_of(options);
  if (!question) return question.error();
  if (question->policy)
    for (const auto& log : question->policy->logs) keys->push_back(log.key);
  const BootTime began = now().boot;
  const audit::LogReader reader(options.source.directory);
  // Before the log itself: see cosigned_checkpoints().
  auto cosigned = audit::cosigned_checkpoints(reader);
  if (!cosigned) return audit_failure(std::move(cosigned).error());
  std::optional<Progress> progress;
  audit::VerifyOptions how;
  how.keys = *keys;
  how.threads = options.threads;
  how.progress = [&](std::uint64_t done, std::uint64_t total) {
    if (!progress) progress.emplace(context, "verifying", total);
    progress->at(done);
  };
  std::vector<registration::Anchor> anchors;
  const auto level = registration::level_from_string(options.level);
  if (!level) return Failure{Exit::usage, "--level: one of self, company, association, regulator"};
  for (const auto& path : options.trust) {
    if (auto added = add_anchors(path, *level, anchors); !added) return added.error();
  }
  auto log = audit::verify_log(reader, how);
  progress.reset();
  if (!log) return audit_failure(std::move(log).error());
  if (log->by_its_own_keys) {
    auto own = keys_of(options.source);
    if (!own) return own.error();
    keys = *std::move(own);
  }
  const auto trust = check_log_trust(reader, *log, anchors);
  if (!trust) return trust.error();
  const auto said = ask_witnesses(reader, *log, *keys, *question, *cosigned);
  if (!said) return audit_failure(said.error());
  if (options.json) {
    json::value past;
    if (log->past_retention) {
      past = {{"minimum", log->past_retention->minimum},
              {"record", log->past_retention->record},
              {"deleted_at", to_rfc3339(WallTime::from_ms(log->past_retention->time_ms))}};
    }
    json::object answer{{"origin", log->checkpoint.origin},
                        {"size", log->checkpoint.size},
                        {"past_retention", past},
                        {"root", base64_encode(log->checkpoint.root)},
                        {"signed_by", log->signed_by},
                        {"by_its_own_keys", log->by_its_own_keys},
                        {"epochs", log->epochs.size()},
                        {"registrations", registrations_json(*trust)},
                        {"epochs_not_signed_by_a_registration", json::value_from(trust->unsigned_epochs)},
                        {"archived_checkpoints", log->archived},
                        {"clock_steps_back", log->clock_steps_back}};
    add_witnessed(*said, *question, answer);
    context.out << to_line(answer) << "\n";
  } else {
    print_verified(context, *log, now().boot - began);
    print_trust(context, *trust, !anchors.empty());
    print_witnessed(context, *said, *question, *log);
  }
  if (auto wanted = want_trust(*trust, !anchors.empty()); !wanted) return wanted.error();
  return demand_quorum(*said, *question);
}

}  // namespace

void add_log_verify_command(CLI::App& log, Chosen& chosen) {
  add_command<VerifyOptions>(
      log, chosen, "verify", "Check every record, tile and signature of a log's directory",
      "sanad log verify /mnt/evidence/log --key 'sanad/gw-khi-01+53a1f6c2+AZ...'\n"
      "  sanad log verify /mnt/evidence/log --policy auditor.policy --checkpoint kept/checkpoint",
      [](CLI::App& command, VerifyOptions& o) {
        command.add_option("DIR", o.source.directory, "The log's directory")->capture_default_str();
        define_keys(command, o.source);
        command
            .add_option(
                "--policy", o.policy,
                "Whose signatures count: a tlog-policy file (the gateway writes one, log/policy); fails without its quorum")
            ->type_name("FILE");
        command
            .add_option(
                "--checkpoint", o.kept,
                "A checkpoint that was kept elsewhere, or that a witness shows: the log must have grown out of it (repeatable)")
            ->type_name("FILE")
            ->allow_extra_args(false);
        command.add_option("--trust", o.trust, "A certificate you trust (PEM): every key must then lead back to it")
            ->type_name("CA")
            ->allow_extra_args(false);
        command.add_option("--level", o.level, "What the CAs of --trust are: company, association, regulator")
            ->capture_default_str();
        command.add_option("--threads", o.threads, "How many")->check(CLI::Range(1U, 1024U))->capture_default_str();
        command.add_flag("--json", o.json, "For programs");
      },
      verify);
}

}  // namespace sanad::cli
