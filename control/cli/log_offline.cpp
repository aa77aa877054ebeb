// log prove, check-proof, consistency, key: an auditor's tools. A directory and a key are enough; no daemon is asked.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "control/audit/leaf.hpp"
#include "control/audit/leaf_read.hpp"
#include "control/audit/origin.hpp"
#include "control/audit/proof.hpp"
#include "control/audit/pruned.hpp"
#include "control/audit/verifier.hpp"
#include "control/cli/commands.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/log_disclosures.hpp"
#include "control/cli/log_source.hpp"
#include "control/cli/text.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::cli {
namespace {

constexpr std::size_t kMaxProofFile = 3U << 20;

// ---- prove ----

struct ProveOptions {
  LogSource source;
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
  context.out << "record " << options.index << " of " << counted_records(tree.size) << ": proof written to " << safe(options.out)
              << ". Check: sanad log check-proof " << safe(options.out) << " --key VKEY\n";
  return {};
}

// ---- check-proof ----

struct CheckOptions {
  LogSource source;
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
              << counted_records(tree.size) << " then), " << to_rfc3339(WallTime::from_ms(leaf->time_ms)) << "\n";
  context.out << "record    " << to_line(event.value_or(json::value())) << "\n";
  for (const auto& one : disclosed) {
    context.out << "disclosed " << shown(one, "name") << " = " << to_line(*find(one, "value")) << "\n";
  }
  return {};
}

// ---- consistency ----

struct ConsistencyOptions {
  LogSource source;
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
    return Failure{Exit::not_found, "the log has " + counted_records(latest.size) + ", not " + which, {}, {}};
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
    return Failure{
        Exit::failure,
        "the log had " + counted_records(older->size) + " and now has " + counted_records(newer->size) + ": it was cut short",
        {},
        {}};
  }
  if (newer->size > latest->checkpoint.size) {
    return Failure{Exit::failure,
                   "a checkpoint of " + counted_records(newer->size) + " was signed, yet the log has " +
                       counted_records(latest->checkpoint.size) + ": it was cut short",
                   {},
                   {}};
  }
  const auto proof = audit::consistency_proof(older->size, newer->size, log.nodes(latest->checkpoint.size));
  if (!proof) return audit_failure(proof.error());
  auto good = audit::verify_consistency(older->size, older->root, newer->size, newer->root, *proof);
  if (!good) return audit_failure(std::move(good).error().within("the log was rewritten"));
  context.out << context.paint("good", "32") << "  the log of " << counted_records(older->size) << " grew into that of "
              << counted_records(newer->size) << "; nothing before was changed\n";
  if (options.proof) {
    for (const auto& hash : *proof) context.out << base64_encode(hash) << "\n";
  }
  return {};
}

// ---- key ----

struct KeyOptions {
  std::string directory = LogSource{}.directory;
};

Outcome<void> key(Context& context, const KeyOptions& options) {
  const auto keys = audit::LogReader(options.directory).keys();
  if (!keys) return audit_failure(keys.error());
  for (const auto& epoch : *keys) context.out << safe(audit::to_vkey(epoch.key)) << "\n";
  return {};
}

}  // namespace

void add_log_offline_commands(CLI::App& log, Chosen& chosen) {
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
