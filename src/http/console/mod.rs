//! `/console`: what happened on the line, for people.
//!
//! Every page is written here, by the server, and works without script; the script only adds live rows, copy buttons and
//! keys. All that a page loads is embedded in the binary, and nothing stands in the page that its policy would have to
//! allow by name. What is shown is masked: whoever may see people's data reveals them one thing at a time, and that is
//! written down.

mod accounts;
mod assets;
mod calls;
mod chart;
mod checks;
mod editor;
mod event;
mod events;
mod flash;
mod flows;
mod icons;
mod line;
mod lines;
mod lists;
mod manner;
mod messages;
mod needs;
mod outbox;
mod overview;
mod page;
mod parts;
mod payload;
mod phone;
mod probe;
mod refused;
mod replay;
mod search;
mod settings;
mod setup;
pub(crate) mod shared;
mod sign_in;
mod stream;
mod tally;
mod visitor;
mod way;
mod words;

use axum::{
    Router,
    middleware::from_fn,
    response::Redirect,
    routing::{get, post},
};

use super::state::State;
pub(crate) use checks::look_at_all;

/// The paths below `/console`.
pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/console", get(overview::overview))
        .route("/console/", get(async || Redirect::permanent("/console")))
        .route("/console/assets/{file}", get(assets::asset))
        .route("/console/stream", get(stream::stream))
        .route("/console/search", get(search::search))
        .route("/console/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/preferences", post(settings::preferences))
        .route("/console/events", get(events::list))
        .route("/console/events/{id}", get(event::show).post(event::reveal))
        .route("/console/events/{id}/replay", post(replay::one))
        .route("/console/refused", get(refused::list))
        .route("/console/refused/{id}", get(refused::show))
        .route("/console/dead-letters", get(replay::list))
        .route("/console/replay", get(replay::plan).post(replay::many))
        .route("/console/replays/{id}", get(replay::progress))
        .route("/console/replays/{id}/stop", post(replay::stop))
        .route("/console/calls", get(calls::list))
        .route("/console/calls/{id}", get(calls::show).post(calls::show))
        .route("/console/messages", get(messages::list))
        .route("/console/messages/{id}", get(messages::show).post(messages::show))
        .route("/console/outbox", get(outbox::list))
        .route("/console/outbox/{id}", get(outbox::show).post(outbox::show))
        .route("/console/outbox/{id}/retry", post(outbox::retry))
        .route("/console/outbox/{id}/cancel", post(outbox::cancel))
        .route("/console/accounts", get(accounts::list))
        .route("/console/accounts/{id}", get(accounts::show).post(accounts::show))
        .route("/console/lines", get(lines::list))
        .route("/console/lines/{id}", get(phone::show))
        .route("/console/lines/{id}/call", post(phone::begin))
        .route("/console/lines/{id}/call/{call}", post(phone::go_on))
        .route("/console/lines/{id}/text", post(phone::text))
        .route("/console/lines/{id}/settings", get(line::show).post(line::change))
        .route("/console/lines/{id}/publish", get(line::plan).post(line::publish))
        .route("/console/lines/{id}/contacts", post(line::contact))
        .route("/console/flows", get(flows::list).post(flows::add))
        .route("/console/flows/{name}", get(flows::show).post(flows::save))
        .route("/console/flows/{name}/text", get(editor::text).post(editor::save_text))
        .route("/console/flows/{name}/draft", post(editor::turn_back))
        .route("/console/flows/{name}/add", post(flows::add_part))
        .route("/console/flows/{name}/edit/{part}", get(editor::show).post(editor::save))
        .route("/console/flows/{name}/steps/{step}", get(editor::arrange).post(editor::rearrange))
        .route("/console/setup", get(setup::setup))
        .route("/console/setup/check", post(setup::check))
        .route("/console/setup/probe", post(setup::probe))
        .route("/console/settings", get(settings::settings))
        .route("/console/settings/keys", post(settings::make_key))
        .route("/console/settings/keys/revoke", post(settings::revoke_key))
        .route("/console/{*rest}", get(page::missing))
        .layer(from_fn(page::dress))
}
