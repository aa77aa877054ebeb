#pragma once
// One function a route; the table in routes.cpp says which.

#include "control/api/call.hpp"

namespace sanad::api {

void list_peers(const Context& context, Call call, Reply reply);
void add_peer(const Context& context, Call call, Reply reply);
void import_peers(const Context& context, Call call, Reply reply);
void get_peer(const Context& context, Call call, Reply reply);
void edit_peer(const Context& context, Call call, Reply reply);
void revoke_peer(const Context& context, Call call, Reply reply);
void enable_peer(const Context& context, Call call, Reply reply);
void disable_peer(const Context& context, Call call, Reply reply);
void rotate_psk(const Context& context, Call call, Reply reply);
void get_profile(const Context& context, Call call, Reply reply);

void list_sessions(const Context& context, Call call, Reply reply);
void get_session(const Context& context, Call call, Reply reply);

void follow_events(const Context& context, Call call, Reply reply);
void list_log_entries(const Context& context, Call call, Reply reply);

void get_registration(const Context& context, Call call, Reply reply);
void install_registration(const Context& context, Call call, Reply reply);
void record_grace(const Context& context, Call call, Reply reply);
void record_request(const Context& context, Call call, Reply reply);

void get_key_rotation(const Context& context, Call call, Reply reply);
void make_next_key(const Context& context, Call call, Reply reply);
void rotate_key(const Context& context, Call call, Reply reply);

void list_holds(const Context& context, Call call, Reply reply);
void place_hold(const Context& context, Call call, Reply reply);
void release_hold(const Context& context, Call call, Reply reply);
void erase_person(const Context& context, Call call, Reply reply);
void list_confirmations(const Context& context, Call call, Reply reply);
void confirm_act(const Context& context, Call call, Reply reply);

void get_status(const Context& context, Call call, Reply reply);
void get_metrics(const Context& context, Call call, Reply reply);
void get_openapi(const Context& context, Call call, Reply reply);
void reload(const Context& context, Call call, Reply reply);
void rotate_log_key(const Context& context, Call call, Reply reply);
void shutdown(const Context& context, Call call, Reply reply);

}  // namespace sanad::api
