//! Who is let in by what, and until when.

use chrono::TimeZone as _;

use super::*;
use crate::auth::NewSecret;

const ADMIN: &str = "0123456789abcdef0123456789abcdef";

fn at(second: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 6, second / 60, second % 60).unwrap()
}

fn token(id: i64, name: &str) -> (StoredToken, String) {
    let NewSecret { text, hash } = NewSecret::draw(id);
    let token = ApiToken {
        id,
        name: name.to_owned(),
        role: Role::Reader,
        created_at: at(0),
        created_by: LOCAL.to_owned(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    (StoredToken { token, hash }, format!("Bearer {}", text.expose_secret()))
}

fn with_admin() -> Gate {
    Gate::new(Outside { admin_token: Some(ADMIN.into()), ..Outside::default() })
}

fn shown(authorization: &str) -> Shown<'_> {
    Shown { authorization: Some(authorization), certificate: None, address: "10.0.0.1" }
}

#[test]
fn while_there_is_no_token_everybody_is_an_admin() {
    let gate = Gate::new(Outside::default());
    let identity = gate.identify(&shown("Bearer whatever"), at(0)).unwrap();
    let caller = &identity.caller;
    assert_eq!(
        (caller.name.as_str(), caller.role, caller.address.as_str()),
        (LOCAL, Role::Admin, "10.0.0.1")
    );
    let (mut stored, _) = token(1, "ci");
    stored.token.revoked_at = Some(at(0));
    assert_eq!(gate.check(&identity, at(0)), Ok(()));
    gate.learn(vec![stored]);
    assert_eq!(gate.check(&identity, at(0)), Err(Refusal::NoToken));
    assert_eq!(gate.identify(&Shown::default(), at(0)), Err(Refusal::NoToken));
}

#[test]
fn a_gate_that_was_closed_once_stays_so() {
    let gate = Gate::new(Outside::default());
    let local = gate.identify(&Shown::default(), at(0)).unwrap();
    let (stored, text) = token(1, "ci");
    gate.learn(vec![stored.clone()]);
    // The table is empty for a moment, as while a dump is restored.
    gate.learn(Vec::new());
    assert!(!gate.is_open());
    assert_eq!(gate.identify(&Shown::default(), at(1)), Err(Refusal::NoToken));
    assert_eq!(gate.identify(&shown(&text), at(1)), Err(Refusal::Unknown));
    assert_eq!(gate.check(&local, at(1)), Err(Refusal::NoToken));
    gate.learn(vec![stored]);
    assert_eq!(gate.identify(&shown(&text), at(2)).unwrap().caller.name, "ci");
    let exposed = Gate::new(Outside::default());
    exposed.close();
    exposed.learn(Vec::new());
    assert_eq!(exposed.identify(&Shown::default(), at(0)), Err(Refusal::NoToken));
}

#[test]
fn a_token_is_known_whole_alive_and_by_its_scheme() {
    let gate = with_admin();
    assert_eq!(gate.identify(&Shown::default(), at(0)), Err(Refusal::NoToken));
    let (alive, text) = token(1, "ci");
    let (mut revoked, revoked_text) = token(2, "old");
    revoked.token.revoked_at = Some(at(1));
    let (mut ending, ending_text) = token(3, "brief");
    ending.token.expires_at = Some(at(10));
    gate.learn(vec![alive, revoked, ending]);
    let who = |header: &str, now| gate.identify(&shown(header), now).map(|identity| identity.caller.name);
    assert_eq!(who(&text, at(5)), Ok("ci".to_owned()));
    assert_eq!(who(&text.replace("Bearer", "bearer "), at(5)), Ok("ci".to_owned()));
    assert_eq!(who(&format!("Bearer {ADMIN}"), at(5)), Ok(ADMIN_TOKEN.to_owned()));
    assert_eq!(who(&ending_text, at(9)), Ok("brief".to_owned()));
    let identity = gate.identify(&shown(&ending_text), at(9)).unwrap();
    assert_eq!(gate.check(&identity, at(9)), Ok(()));
    assert!(matches!(gate.check(&identity, at(10)), Err(Refusal::Expired { .. })));
    assert!(matches!(who(&ending_text, at(10)), Err(Refusal::Expired { .. })));
    let told = who(&revoked_text, at(5)).unwrap_err();
    assert_eq!(told.name(), Some("old"));
    // Another's number with one's own secret opens nothing, and tells nothing.
    for bad in [text.replace("hi_1_", "hi_2_"), format!("{text}x"), format!("Bearer {}", &ADMIN[..31])] {
        assert_eq!(who(&bad, at(5)), Err(Refusal::Unknown), "{bad}");
    }
    for bad in ["", "Bearer", "Bearer  ", "Basic YTpi", &text["Bearer ".len()..]] {
        assert_eq!(who(bad, at(5)), Err(Refusal::Malformed), "{bad}");
    }
}

#[test]
fn a_certificate_counts_where_no_token_is_shown() {
    let gate = with_admin();
    let name = "order-service".to_owned();
    let unbound = PeerName { name: name.clone(), role: None, not_after: None };
    let mut both = Shown { certificate: Some(&unbound), ..Shown::default() };
    assert_eq!(gate.identify(&both, at(0)), Err(Refusal::Unbound { name: name.clone() }));
    let bound = PeerName { name: name.clone(), role: Some(Role::Operator), not_after: Some(at(60)) };
    both.certificate = Some(&bound);
    let identity = gate.identify(&both, at(0)).unwrap();
    assert_eq!((&identity.caller.name, identity.caller.role), (&name, Role::Operator));
    assert_eq!(gate.check(&identity, at(60)), Ok(()));
    // A stream of it ends with the certificate, and the connection opens nothing more.
    let expired = Refusal::CertificateExpired { name: name.clone(), at: "2026-11-22T06:01:00Z".to_owned() };
    assert_eq!(gate.check(&identity, at(61)), Err(expired.clone()));
    assert_eq!(gate.identify(&both, at(61)), Err(expired));
    let header = format!("Bearer {ADMIN}");
    both.authorization = Some(&header);
    assert_eq!(gate.identify(&both, at(0)).unwrap().caller.name, ADMIN_TOKEN);
    both.authorization = Some("Bearer wrong");
    assert_eq!(gate.identify(&both, at(0)), Err(Refusal::Unknown));
    let certificates = Gate::new(Outside { certificate_roles: vec![Role::Reader], ..Outside::default() });
    assert!(!certificates.is_open() && !certificates.has_outside_admin() && gate.has_outside_admin());
}

#[test]
fn a_last_use_is_written_once_a_minute_and_never_forgotten() {
    let gate = Gate::new(Outside::default());
    let (mut stored, text) = token(1, "ci");
    let learn = |stored: &StoredToken| gate.learn(vec![stored.clone()]);
    learn(&stored);
    assert_eq!(gate.uses_due(at(0)), []);
    gate.identify(&shown(&text), at(1)).unwrap();
    assert_eq!(gate.uses_due(at(2)), [(1, at(1))]);
    stored.token.last_used_at = Some(at(1));
    learn(&stored);
    assert_eq!(gate.uses_due(at(3)), []);
    gate.identify(&shown(&text), at(30)).unwrap();
    assert_eq!(gate.uses_due(at(60)), []);
    assert_eq!(gate.uses_due(at(61)), [(1, at(30))]);
}
