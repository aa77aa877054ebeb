#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "control/api/handlers/handlers.hpp"
#include "control/api/json_in.hpp"
#include "control/api/json_out.hpp"

namespace sanad::api {
namespace {

namespace json = boost::json;

constexpr TextLimits kId{1, 64};
constexpr TextLimits kAddress{1, 64};
constexpr TextLimits kReason{1, 1024};
constexpr TextLimits kApprover{1, 256};

json::value time_or_null(const std::optional<WallTime>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}

json::object hold_json(const ledger::Hold& hold) {
  json::object out;
  out["id"] = hold.id;
  out["person"] = hold.owner_id.empty() ? json::value(nullptr) : json::value(hold.owner_id);
  out["address"] = hold.address ? json::value(hold.address->to_string()) : json::value(nullptr);
  out["from"] = time_or_null(hold.from);
  out["to"] = time_or_null(hold.to);
  out["reason"] = hold.reason;
  out["approver"] = hold.approver;
  out["placed_at"] = to_rfc3339(hold.created);
  out["placed_by_uid"] = hold.uid;
  out["expires_at"] = time_or_null(hold.expires);
  out["evidence"] = evidence_json(hold.evidence);
  return out;
}

json::object erased_person_json(const service::Erased& erased) {
  json::object out;
  out["person"] = erased.person;
  out["erased_at"] = to_rfc3339(erased.at);
  out["disclosures"] = erased.disclosures;
  out["addresses"] = erased.addresses;
  out["overwritten"] = erased.overwritten;
  out["why_not"] = erased.overwritten ? json::value(nullptr) : json::value(erased.why_not);
  return out;
}

// The act is kept, and waits.
Response waiting_response(const service::Waiting& waiting) {
  json::object body;
  body["confirmation"] = {
      {"id", waiting.id},
      {"act", waiting.act},
      {"expires_at", to_rfc3339(waiting.expires)},
      {"how", "a different admin: sanad confirm " + waiting.id + " (POST /v1/confirmations/" + waiting.id + ")"}};
  body["evidence"] = evidence_json(waiting.evidence);
  return json_response(202, body);
}

std::optional<IpAddress> read_address(ObjectReader& in, std::string_view name) {
  const auto text = in.text_or_null(name, kAddress);
  if (!text) return std::nullopt;
  const auto address = IpAddress::parse(*text);
  if (address) return *address;
  in.fail(name, address.error().message);
  return std::nullopt;
}

}  // namespace

void list_holds(const Context& context, Call, Reply reply) {
  context.services.custody.holds(answer<std::vector<ledger::Hold>>(std::move(reply), [](const std::vector<ledger::Hold>& holds) {
    json::array list;
    for (const auto& hold : holds) list.push_back(hold_json(hold));
    return json_response(200, {{"holds", std::move(list)}});
  }));
}

void place_hold(const Context& context, Call call, Reply reply) {
  const auto object = parse_object(call.request.body);
  if (!object) return reply(problem(object.error()));
  service::NewHold hold;
  ObjectReader in(*object);
  in.require("reason");
  in.require("approver");
  hold.person = in.text_or_null("person", kId).value_or("");
  hold.address = read_address(in, "address");
  hold.from = in.time_or_null("from").value_or(std::nullopt);
  hold.to = in.time_or_null("to").value_or(std::nullopt);
  hold.expires = in.time_or_null("expires").value_or(std::nullopt);
  hold.reason = in.text("reason", kReason).value_or("");
  hold.approver = in.text("approver", kApprover).value_or("");
  if (auto finished = in.finish(); !finished) return reply(problem(finished.error()));
  using Placed = service::Changed<ledger::Hold>;
  context.services.custody.add_hold(
      std::move(call.caller), std::move(hold), answer<Placed>(std::move(reply), [](const Placed& placed) {
        return json_response(201, {{"hold", hold_json(placed.value)}, {"evidence", evidence_json(placed.evidence)}});
      }));
}

void release_hold(const Context& context, Call call, Reply reply) {
  using Answer = service::NowOrWaiting<service::Released>;
  context.services.custody.release_hold(
      std::move(call.caller), std::move(call.id), answer<Answer>(std::move(reply), [](const Answer& done) {
        if (const auto* waiting = std::get_if<service::Waiting>(&done)) return waiting_response(*waiting);
        const auto& released = std::get<service::Released>(done);
        return json_response(200, {{"released", released.hold}, {"evidence", evidence_json(released.evidence)}});
      }));
}

void erase_person(const Context& context, Call call, Reply reply) {
  const auto object = parse_object(call.request.body);
  if (!object) return reply(problem(object.error()));
  ObjectReader in(*object);
  in.require("person");
  in.require("reason");
  auto person = in.text("person", kId);
  auto reason = in.text("reason", kReason);
  if (auto finished = in.finish(); !finished) return reply(problem(finished.error()));
  using Answer = service::NowOrWaiting<service::Erased>;
  context.services.custody.erase(
      std::move(call.caller), std::move(*person), std::move(*reason), answer<Answer>(std::move(reply), [](const Answer& done) {
        if (const auto* waiting = std::get_if<service::Waiting>(&done)) return waiting_response(*waiting);
        const auto& erased = std::get<service::Erased>(done);
        return json_response(200, {{"erasure", erased_person_json(erased)}, {"evidence", evidence_json(erased.evidence)}});
      }));
}

void list_confirmations(const Context& context, Call, Reply reply) {
  using Waiting = std::vector<ledger::Confirmation>;
  context.services.custody.confirmations(answer<Waiting>(std::move(reply), [](const Waiting& waiting) {
    json::array list;
    for (const auto& one : waiting) {
      list.push_back(json::object{{"id", one.id},
                                  {"act", one.act},
                                  {"request", json::parse(one.request)},
                                  {"asked_by_uid", one.uid},
                                  {"asked_at", to_rfc3339(one.created)},
                                  {"expires_at", to_rfc3339(one.expires)}});
    }
    return json_response(200, {{"confirmations", std::move(list)}});
  }));
}

void confirm_act(const Context& context, Call call, Reply reply) {
  context.services.custody.confirm(
      std::move(call.caller), std::move(call.id),
      answer<service::Confirmed>(std::move(reply), [](const service::Confirmed& confirmed) {
        return json_response(200,
                             {{"act", confirmed.act},
                              {"erasure", confirmed.erased ? json::value(erased_person_json(*confirmed.erased)) : json::value()},
                              {"evidence", evidence_json(confirmed.evidence)}});
      }));
}

}  // namespace sanad::api
