// log verify, prove, check-proof, consistency, key: an auditor's tools. A directory and a key are enough; no daemon is asked.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "control/audit/key_following.hpp"
#include "control/audit/leaf.hpp"
#include "control/audit/leaf_read.hpp"
#include "control/audit/origin.hpp"
#include "control/audit/proof.hpp"
#include "control/audit/pruned.hpp"
#include "control/audit/verifier.hpp"
#include "control/audit/witnessed.hpp"
#include "control/cli/commands.hpp"
#include "control/cli/humane.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/log_disclosures.hpp"
#include "control/cli/log_trust.hpp"
#include "control/cli/text.hpp"
#include "control/cli/witnessed_view.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::cli {
namespace {

constexpr const char* kDefaultDirectory = "/var/lib/sanad/log";
constexpr std::size_t kMaxProofFile = 3U << 20;

struct Source {
  std::string directory = kDefaultDirectory;
  std::vector<std::string> keys;  // vkeys; none: the directory's own
};

void define_keys(CLI::App& command, Source& source) {
  command
      .add_option("--key", source.keys, "The log's verifier key, from somebody you trust (repeatable); else the directory's own")
      ->type_name("VKEY")
      ->allow_extra_args(false);
}

void define_source(CLI::App& command, Source& source) {
  command.add_option("--dir", source.directory, "The log's directory")->type_name("DIR")->capture_default_str();
  define_keys(command, source);
}

// The message names the file already.
Failure audit_failure(Error error) {
  error.field.clear();
  return failure_of(std::move(error));
}

Outcome<std::vector<audit::VerifierKey>> given_keys(const Source& source) {
  std::vector<audit::VerifierKey> keys;
  for (const auto& text : source.keys) {
    auto key = audit::parse_vkey(text);
    if (!key) return Failure{Exit::usage, key.error().message, "print it on the gateway: sanad log key", "--key"};
    keys.push_back(*std::move(key));
  }
  return keys;
}

Outcome<std::vector<audit::VerifierKey>> keys_of(const Source& source) {
  auto keys = given_keys(source);
  if (!keys) return keys;
  if (!keys->empty()) return audit::follow_keys(audit::LogReader(source.directory), *std::move(keys));
  auto own = audit::LogReader(source.directory).keys();
  if (!own) return audit_failure(std::move(own).error());
  for (auto& epoch : *own) keys->push_back(std::move(epoch.key));
  return keys;
}

Outcome<std::string> read_text_file(const std::string& path, std::size_t limit) {
  auto text = read_file(path, limit);
  if (!text) return failure_of(std::move(text).error());
  return *std::move(text);
}

std::string records(std::uint64_t count) {
  return with_thousands(static_cast<std::int64_t>(count)) + (count == 1 ? " record" : " records");
}

// ---- verify ----

struct VerifyOptions {
  Source source;
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
  context.out << context.paint("good", "32") << "  " << records(tree.size) << " of " << safe(tree.origin) << ", "
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

// ---- prove ----

struct ProveOptions {
  Source source;
  std::uint64_t index = 0;
  std::vector<std::string> disclosures;
  std::vector<std::string> disclose;  // names: the daemon is asked
  std::string out;
};

// What is past retention is told apart from what is lost.
Failure missing_record(const audit::LogReader& log, const audit::Checkpoint& tree, std::uint64_t bundle, Error error) {
  if (error.code != Errc::not_found) return audit_failure(std::move(error));
  audit::RetentionLookup retention(log, tree.size, audit::first_record_of(tree.origin));
  const auto covered = retention.covers(bundle);
  if (!covered || !*covered) return audit_failure(std::move(error));
  return {
      Exit::not_found, audit::sentence(*retention.found()), "a proof made before then still checks: sanad log check-proof", {}};
}

Outcome<void> prove(Context& context, const ProveOptions& options) {
  const auto keys = keys_of(options.source);
  if (!keys) return keys.error();
  const audit::LogReader log(options.source.directory);
  auto note = log.checkpoint();
  if (!note) return audit_failure(std::move(note).error());
  const auto opened = audit::open_checkpoint(*note, *keys);
  if (!opened) return audit_failure(opened.error());
  const auto& tree = opened->checkpoint;
  audit::LogProof proof;
  const std::uint64_t first = audit::first_record_of(tree.origin);
  if (options.index < first) {
    return Failure{Exit::not_found, "this log begins with record " + std::to_string(first) + "; an earlier one has those before"};
  }
  proof.index = options.index - first;
  auto hashes = audit::inclusion_proof(proof.index, tree.size, log.nodes(tree.size));
  if (!hashes) {
    const bool none = hashes.error().code == Errc::invalid_argument;
    return none ? Failure{Exit::not_found, hashes.error().message} : audit_failure(hashes.error());
  }
  proof.hashes = *std::move(hashes);
  proof.checkpoint = *std::move(note);

  const std::uint64_t number = proof.index / audit::kTileWidth;
  audit::Bundle bundle;
  const auto width = static_cast<unsigned>(std::min<std::uint64_t>(audit::kTileWidth, tree.size - number * audit::kTileWidth));
  if (auto read = log.entries(number, width, bundle); !read) {
    return missing_record(log, tree, number, std::move(read).error());
  }
  const auto entry = bundle.entries[proof.index % audit::kTileWidth];
  audit::ProofRecord record{{entry.begin(), entry.end()}, options.disclosures};
  const auto asked = disclosures_of(context.client(), options.index, options.disclose);
  if (!asked) return asked.error();
  record.disclosures.insert(record.disclosures.end(), asked->begin(), asked->end());
  const auto leaf = audit::read_leaf(record.leaf);
  if (!leaf) return audit_failure(leaf.error());
  for (const auto& disclosure : record.disclosures) {
    if (!audit::holds_digest(*leaf, audit::disclosure_digest(disclosure))) {
      return Failure{
          Exit::failure, "record " + std::to_string(options.index) + " does not hold that disclosure", {}, "--disclosure"};
    }
  }
  proof.extra = audit::proof_extra(record);
  // A proof that does not check is worse than none.
  if (auto good = audit::check_proof(proof, audit::leaf_hash(entry), *keys); !good) return audit_failure(std::move(good).error());

  const std::string text = audit::proof_text(proof);
  if (options.out.empty()) {
    context.out << text;
    return {};
  }
  if (auto written = write_file_durably(options.out, text, 0644); !written) return failure_of(std::move(written).error());
  context.out << "record " << options.index << " of " << records(tree.size) << ": proof written to " << safe(options.out)
              << ". Check: sanad log check-proof " << safe(options.out) << " --key VKEY\n";
  return {};
}

// ---- check-proof ----

struct CheckOptions {
  Source source;
  std::string file;
  bool json = false;
};

// [salt, name, value] behind a disclosure that belongs to the record.
Outcome<json::value> opened_disclosure(const audit::LeafView& leaf, const std::string& disclosure) {
  if (!audit::holds_digest(leaf, audit::disclosure_digest(disclosure))) {
    return Failure{Exit::failure, "the proof carries a disclosure that does not belong to the record", {}, {}};
  }
  const auto bytes = base64url_decode(disclosure);
  auto parsed = bytes ? parse_json(std::string(bytes->begin(), bytes->end())) : std::nullopt;
  if (!parsed || !parsed->is_array() || parsed->get_array().size() != 3 || !parsed->get_array()[1].is_string()) {
    return Failure{Exit::failure, "the proof carries a disclosure that is not one", {}, {}};
  }
  return *std::move(parsed);
}

Outcome<void> check_proof(Context& context, const CheckOptions& options) {
  auto text = read_text_file(options.file, kMaxProofFile);
  if (!text) return text.error();
  const auto keys = keys_of(options.source);
  if (!keys) return keys.error();
  const auto proof = audit::parse_proof(*text);
  if (!proof) return audit_failure(proof.error());
  if (!proof->extra)
    return Failure{Exit::failure, "the proof does not carry the record it is about", "make it with: sanad log prove", {}};
  const auto record = audit::parse_proof_extra(*proof->extra);
  if (!record) return audit_failure(record.error());
  const auto opened = audit::check_proof(*proof, audit::leaf_hash(as_bytes(record->leaf)), *keys);
  if (!opened) return audit_failure(opened.error());
  const auto leaf = audit::read_leaf(record->leaf);
  if (!leaf) return audit_failure(leaf.error());
  const std::uint64_t number = audit::first_record_of(opened->checkpoint.origin) + proof->index;
  if (leaf->index != number) {
    return Failure{Exit::failure, fmt::format("the record says it is number {}, the proof {}", leaf->index, number), {}, {}};
  }
  json::array disclosed;
  for (const auto& disclosure : record->disclosures) {
    auto one = opened_disclosure(*leaf, disclosure);
    if (!one) return one.error();
    disclosed.push_back({{"name", one->get_array()[1]}, {"value", one->get_array()[2]}});
  }
  const auto& tree = opened->checkpoint;
  const auto event = parse_json(leaf->event);
  if (options.json) {
    context.out << to_line({{"index", number},
                            {"origin", tree.origin},
                            {"size", tree.size},
                            {"time", to_rfc3339(WallTime::from_ms(leaf->time_ms))},
                            {"event", event.value_or(json::value())},
                            {"disclosed", disclosed}})
                << "\n";
    return {};
  }
  context.out << context.paint("good", "32") << "  record " << number << " is in the log of " << safe(tree.origin) << " ("
              << records(tree.size) << " then), " << to_rfc3339(WallTime::from_ms(leaf->time_ms)) << "\n";
  context.out << "record    " << to_line(event.value_or(json::value())) << "\n";
  for (const auto& one : disclosed) {
    context.out << "disclosed " << shown(one, "name") << " = " << to_line(*find(one, "value")) << "\n";
  }
  return {};
}

// ---- consistency ----

struct ConsistencyOptions {
  Source source;
  std::string older, newer;
  bool proof = false;
};

// A tree size, whose root the log's tiles tell, or a file that holds a signed checkpoint.
Outcome<audit::Checkpoint> tree_at(const std::string& which, const std::vector<audit::VerifierKey>& keys,
                                   const audit::Checkpoint& latest, const audit::LogReader& log) {
  const bool is_size =
      !which.empty() && which.size() < 19 && std::all_of(which.begin(), which.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!is_size) {
    auto text = read_text_file(which, audit::kMaxNoteBytes);
    if (!text) return text.error();
    auto opened = audit::open_checkpoint(*text, keys);
    if (!opened) return audit_failure(std::move(opened).error().within(which));
    return std::move(opened->checkpoint);
  }
  audit::Checkpoint tree{latest.origin, std::stoull(which), {}, {}};
  if (tree.size > latest.size) {
    return Failure{Exit::not_found, "the log has " + records(latest.size) + ", not " + which, {}, {}};
  }
  auto root = audit::tree_root(tree.size, log.nodes(latest.size));
  if (!root) return audit_failure(std::move(root).error());
  tree.root = *root;
  return tree;
}

Outcome<void> consistency(Context& context, const ConsistencyOptions& options) {
  const auto keys = keys_of(options.source);
  if (!keys) return keys.error();
  const audit::LogReader log(options.source.directory);
  const auto note = log.checkpoint();
  if (!note) return audit_failure(note.error());
  const auto latest = audit::open_checkpoint(*note, *keys);
  if (!latest) return audit_failure(latest.error());
  const auto older = tree_at(options.older, *keys, latest->checkpoint, log);
  if (!older) return older.error();
  auto newer = options.newer.empty() ? Outcome<audit::Checkpoint>(latest->checkpoint)
                                     : tree_at(options.newer, *keys, latest->checkpoint, log);
  if (!newer) return newer.error();
  if (older->origin != newer->origin)
    return Failure{Exit::failure, "they are of two logs: " + older->origin + ", " + newer->origin, {}, {}};
  if (older->size > newer->size) {
    return Failure{Exit::failure,
                   "the log had " + records(older->size) + " and now has " + records(newer->size) + ": it was cut short",
                   {},
                   {}};
  }
  if (newer->size > latest->checkpoint.size) {
    return Failure{Exit::failure,
                   "a checkpoint of " + records(newer->size) + " was signed, yet the log has " +
                       records(latest->checkpoint.size) + ": it was cut short",
                   {},
                   {}};
  }
  const auto proof = audit::consistency_proof(older->size, newer->size, log.nodes(latest->checkpoint.size));
  if (!proof) return audit_failure(proof.error());
  auto good = audit::verify_consistency(older->size, older->root, newer->size, newer->root, *proof);
  if (!good) return audit_failure(std::move(good).error().within("the log was rewritten"));
  context.out << context.paint("good", "32") << "  the log of " << records(older->size) << " grew into that of "
              << records(newer->size) << "; nothing before was changed\n";
  if (options.proof) {
    for (const auto& hash : *proof) context.out << base64_encode(hash) << "\n";
  }
  return {};
}

// ---- key ----

struct KeyOptions {
  std::string directory = kDefaultDirectory;
};

Outcome<void> key(Context& context, const KeyOptions& options) {
  const auto keys = audit::LogReader(options.directory).keys();
  if (!keys) return audit_failure(keys.error());
  for (const auto& epoch : *keys) context.out << safe(audit::to_vkey(epoch.key)) << "\n";
  return {};
}

}  // namespace

void add_log_offline_commands(CLI::App& log, Chosen& chosen) {
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
  add_command<ProveOptions>(
      log, chosen, "prove", "Write a proof that a record is in the log, checkable without the log",
      "sanad log prove 48211 --disclose user.name --out session.tlog-proof",
      [](CLI::App& command, ProveOptions& o) {
        command.add_option("INDEX", o.index, "The record's number")->required()->check(CLI::NonNegativeNumber);
        define_source(command, o.source);
        command.add_option("--disclosure", o.disclosures, "A disclosure of the record to show with it (repeatable)")
            ->type_name("TEXT")
            ->allow_extra_args(false);
        command
            .add_option(
                "--disclose", o.disclose,
                "The name of a value to show with it, \"all\" for every one (repeatable): the daemon is asked and records it")
            ->type_name("NAME")
            ->allow_extra_args(false);
        command.add_option("--out", o.out, "File to write; else standard output")->type_name("FILE");
      },
      prove);
  add_command<CheckOptions>(
      log, chosen, "check-proof", "Check a proof, and show what it proves",
      "sanad log check-proof session.tlog-proof --key 'sanad/gw-khi-01+53a1f6c2+AZ...'",
      [](CLI::App& command, CheckOptions& o) {
        command.add_option("FILE", o.file, "The proof")->required();
        define_source(command, o.source);
        command.add_flag("--json", o.json, "For programs");
      },
      check_proof);
  add_command<ConsistencyOptions>(
      log, chosen, "consistency", "Check that an earlier log grew into a later one, nothing before it changed",
      "sanad log consistency kept/checkpoint",
      [](CLI::App& command, ConsistencyOptions& o) {
        command.add_option("OLD", o.older, "A number of records, or a file with a signed checkpoint")->required();
        command.add_option("NEW", o.newer, "The same; else the log's latest checkpoint");
        define_source(command, o.source);
        command.add_flag("--proof", o.proof, "Print the proof's hashes");
      },
      consistency);
  add_command<KeyOptions>(
      log, chosen, "key", "Print the log's verifier keys: what an auditor needs beside the directory", "sanad log key",
      [](CLI::App& command, KeyOptions& o) {
        command.add_option("--dir", o.directory, "The log's directory")->type_name("DIR")->capture_default_str();
      },
      key);
}

}  // namespace sanad::cli
