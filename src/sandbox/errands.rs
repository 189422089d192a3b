//! What the order system does by itself: it books what was cut off, and sends callbacks, each when it falls due.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use tokio::time::sleep;

use super::callback_note::Note;
use super::callback_sign::Signed;
use super::callbacks::Heard;
use super::shanghai;
use super::world::World;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A turn is taken at least that often, whatever was announced.
const PERIOD: Duration = Duration::from_secs(60);
/// Most of an answer that is kept to be looked at.
const MAX_ANSWER: usize = 2_000;

/// A client for callbacks: straight to the receiver, without redirects.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    // Another part of the process may have chosen a provider before; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
    client.redirect(reqwest::redirect::Policy::none()).retry(reqwest::retry::never()).build()
}

/// Runs until the stand-in closes.
pub(super) async fn run(world: Arc<World>) {
    loop {
        let now = shanghai::now();
        world.book_late(now).await;
        // Without an address they wait for one.
        if let Some(url) = world.callbacks.url() {
            for note in world.callbacks.take_due(now) {
                tokio::spawn(deliver(Arc::clone(&world), url.clone(), note));
            }
        }
        // What was due and yet not taken waits for another one to end, which wakes us.
        let next = [world.book.next_late(), world.callbacks.next_due(now)].into_iter().flatten().min();
        let wait = next.map(|due| (due - shanghai::now()).to_std().unwrap_or_default());
        let wait = wait.map_or(PERIOD, |wait| wait.min(PERIOD));
        tokio::select! {
            () = world.callbacks.wake.notified() => {}
            () = sleep(wait) => {}
            () = world.closing.cancelled() => return,
        }
    }
}

async fn deliver(world: Arc<World>, url: String, note: Note) {
    // Signed when it is sent: a receiver refuses what is older than a few minutes.
    let stamp = shanghai::stamp(shanghai::now());
    let signed = Signed::new(&note.app_key, stamp, note.method.wire_name(), note.data);
    let mut heard = Heard { ok: false, answer: String::new() };
    for _ in 0..note.copies {
        tokio::select! {
            answered = send(&world, &url, &signed) => heard = answered,
            () = world.closing.cancelled() => return,
        }
    }
    world.callbacks.heard(note.id, heard);
}

/// Sends one, and tells how it was received.
pub(super) async fn send(world: &World, url: &str, signed: &Signed) -> Heard {
    let request = world.http.post(url);
    let request = if world.callback_json {
        let body = serde_json::to_vec(signed).unwrap_or_default();
        request.header(CONTENT_TYPE, "application/json;charset=UTF-8").body(body)
    } else {
        request.header(CONTENT_TYPE, "application/x-www-form-urlencoded;charset=UTF-8").body(signed.form())
    };
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Heard { ok: false, answer: format!("no answer: {}", error.without_url()) },
    };
    let status = response.status();
    let body = response.text().await.unwrap_or_default();
    let body: String = body.chars().take(MAX_ANSWER).collect();
    Heard { ok: status == reqwest::StatusCode::OK, answer: format!("{} {body}", status.as_u16()) }
}
