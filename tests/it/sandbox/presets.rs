//! The ready-made sets of faults: as frequent as they say, the same for the same seed, and harmless to whoever asks again.

use super::*;
use haier_integration::sandbox::Preset;

async fn under(preset: Preset, seed: u64) -> Haier {
    Haier::with(Options { faults: preset, seed, throttle: None, ..Options::default() }).await
}

/// Asks until it is answered as if nothing were wrong; how often, and what the last answer was.
async fn insist(haier: &mut Haier, path: &str, body: &Value) -> (u32, Value) {
    for times in 1..=20 {
        let sent = haier.post(path, body).send().await;
        let Ok(response) = sent else { continue };
        match response.status() {
            StatusCode::UNAUTHORIZED => haier.insist_on_a_token().await,
            StatusCode::OK => {
                let text = response.text().await.unwrap_or_default();
                match serde_json::from_str::<Value>(&text) {
                    Ok(answer) if answer["success"] != false => return (times, answer),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    panic!("{path} was not answered in twenty calls");
}

impl Haier {
    async fn insist_on_a_token(&mut self) {
        for _ in 0..20 {
            let body = json!({ "client_id": "sandbox", "client_secret": "sandbox", "grant_type": "client_credentials" });
            let Ok(response) = self.post("/oauth2/auth", &body).send().await else { continue };
            let text = response.text().await.unwrap_or_default();
            let answer: Value = serde_json::from_str(&text).unwrap_or_default();
            if let Some(token) = answer["access_token"].as_str() {
                self.token = token.to_owned();
                return;
            }
        }
        panic!("no token in twenty calls");
    }
}

#[tokio::test]
async fn a_preset_switched_on_by_hand_is_the_one_of_the_option() {
    let faults = async |haier: &Haier| haier.control("GET", "faults", &json!(null)).await.1;
    let plain = Haier::start().await;
    assert_eq!(faults(&plain).await, json!([]));
    for preset in [Preset::Mild, Preset::Harsh] {
        let sandbox =
            start(Options { addr: ([127, 0, 0, 1], 0).into(), faults: preset, ..Options::default() });
        let haier = Haier { sandbox: sandbox.await.unwrap(), http: client(), token: String::new() };
        plain.control("DELETE", "faults", &json!(null)).await;
        let (status, answer) = plain.control("POST", "faults", &json!({ "preset": preset.name() })).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(faults(&haier).await, answer);
    }
    for (body, words) in [
        (json!({ "preset": "none" }), "DELETE"),
        (json!({ "preset": "awful" }), "allowed are none, mild and harsh"),
        (json!({ "kind": "hang" }), "preset"),
    ] {
        let (status, answer) = plain.control("POST", "faults", &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(answer["error"].as_str().unwrap().contains(words), "{answer}");
    }
}

#[tokio::test]
async fn under_harsh_whoever_asks_again_gets_everything() {
    let mut haier = under(Preset::None, 42).await;
    let whole = json!(haier.listing().await);
    let codes = haier.codes(1000).await;
    let usual = haier.json(H2, &prices(&codes[..20])).await;
    haier.control("POST", "faults", &json!({ "preset": "harsh" })).await;
    let (mut calls, mut answers) = (0, 0);
    for _ in 0..4 {
        let (times, listing) = insist(&mut haier, H1, &products(None)).await;
        assert_eq!(listing, whole);
        let (more, answer) = insist(&mut haier, H2, &prices(&codes[..20])).await;
        assert_eq!(answer, usual);
        (calls, answers) = (calls + times + more, answers + 2);
    }
    assert!(calls < answers * 3, "{calls} calls for {answers} answers");
}

#[tokio::test]
async fn a_preset_repeats_with_its_seed() {
    let run = async |seed| {
        let haier = Haier::with(Options { seed, throttle: None, ..Options::default() }).await;
        haier.control("POST", "faults", &json!({ "preset": "harsh" })).await;
        let mut seen = Vec::new();
        for _ in 0..60 {
            let status = haier.post(H5, &balance()).send().await.map(|response| response.status().as_u16());
            seen.push(status.unwrap_or(0));
        }
        seen
    };
    let (first, again, other) = tokio::join!(run(7), run(7), run(8));
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!(first.iter().any(|status| *status != 200));
}
