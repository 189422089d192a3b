//! Who keeps a place and who loses it, without sockets.

use super::*;

const SILENT: Duration = Duration::from_millis(150);

fn places(connections: usize, when_full: WhenFull) -> Places {
    let second = Duration::from_secs(1);
    Places::new(
        "test",
        Limits {
            connections,
            address_share: 50,
            when_full,
            grace: Duration::from_millis(100),
            first_request: second,
            write: second,
            idle: second,
            age: second,
        },
    )
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn placed(entered: Entered) -> Place {
    match entered {
        Entered::Placed(place) => place,
        Entered::Refused => panic!("refused"),
        Entered::Full => panic!("full"),
    }
}

/// Places of connections that came one millisecond after the other.
fn fill(places: &Places, addresses: &[u8], start: Instant) -> Vec<Place> {
    let at = |index: usize| start + Duration::from_millis(index as u64);
    addresses
        .iter()
        .enumerate()
        .map(|(index, last)| placed(places.enter(address(*last), at(index))))
        .collect()
}

fn is_cut(place: &Place) -> bool {
    place.0.0.cut.is_cancelled()
}

#[test]
fn the_oldest_silent_connection_makes_room_once_it_had_time_to_speak() {
    let (places, start) = (places(3, WhenFull::Wait), Instant::now());
    let open = fill(&places, &[1, 2, 3], start);
    open[0].seat().begin_request();
    assert!(matches!(places.enter(address(4), start + Duration::from_millis(10)), Entered::Full));
    let newcomer = placed(places.enter(address(4), start + SILENT));
    assert_eq!(open.iter().map(is_cut).collect::<Vec<_>>(), [false, true, false]);
    assert!(!is_cut(&newcomer));
}

#[test]
fn who_is_known_outlasts_who_is_not_and_who_reads_outlasts_who_does_not() {
    let (places, start) = (places(4, WhenFull::Refuse), Instant::now());
    let open = fill(&places, &[1, 2, 3, 4], start);
    for place in &open {
        place.seat().begin_request();
    }
    let later = Instant::now() + Duration::from_secs(5);
    // Known and at work; known and idle; known and not reading; anonymous and done.
    for known in &open[..3] {
        known.seat().make_known();
    }
    open[1].seat().end_request();
    open[2].seat().set_stalled(true);
    open[3].seat().end_request();
    let mut newcomers = Vec::new();
    for (expected, newcomer) in [(3, 9), (2, 10), (1, 11)] {
        newcomers.push(placed(places.enter(address(newcomer), later)));
        newcomers.last().unwrap().seat().begin_request();
        newcomers.last().unwrap().seat().make_known();
        assert!(is_cut(&open[expected]), "{expected}");
    }
    assert!(!is_cut(&open[0]));
    // All are at work for somebody who is known, and no address holds more than its share.
    assert!(matches!(places.enter(address(8), later), Entered::Refused));
    assert!(!is_cut(&open[0]));
}

#[test]
fn a_short_request_that_is_answered_keeps_its_place_and_a_crowd_is_seen() {
    let (places, start) = (places(2, WhenFull::Wait), Instant::now());
    let open = fill(&places, &[1, 2], start);
    assert!(open[0].seat().is_crowded());
    for place in &open {
        place.seat().begin_request();
    }
    assert!(matches!(places.enter(address(3), Instant::now() + Duration::from_secs(60)), Entered::Full));
    assert_eq!(open.iter().map(is_cut).collect::<Vec<_>>(), [false, false]);
    drop(open);
    assert!(!placed(places.enter(address(3), start)).seat().is_crowded());
}

#[test]
fn an_address_at_its_share_competes_with_itself() {
    let (places, start) = (places(4, WhenFull::Refuse), Instant::now());
    let open = fill(&places, &[1, 2, 2, 2], start);
    let later = start + SILENT;
    let _newcomer = placed(places.enter(address(2), later));
    assert!(is_cut(&open[1]) && !is_cut(&open[0]));
    for place in &open[2..] {
        place.seat().begin_request();
        place.seat().make_known();
    }
    let _other = placed(places.enter(address(3), later));
    assert!(is_cut(&open[0]), "the oldest silent one goes first, of whatever address");
}

#[test]
fn an_address_that_holds_all_with_work_under_way_gives_others_room_and_itself_none() {
    let (places, start) = (places(2, WhenFull::Refuse), Instant::now());
    let open = fill(&places, &[1, 1], start);
    for place in &open {
        place.seat().begin_request();
        place.seat().make_known();
    }
    let later = start + Duration::from_secs(60);
    assert!(matches!(places.enter(address(1), later), Entered::Refused));
    let _other = placed(places.enter(address(2), later));
    assert!(is_cut(&open[0]) && !is_cut(&open[1]));
}

#[test]
fn a_place_that_is_given_back_is_free_and_addresses_are_forgotten() {
    let places = places(2, WhenFull::Refuse);
    drop(fill(&places, &[1, 1], Instant::now()));
    assert!(places.table().open.is_empty() && places.table().held.is_empty());
    let network = |last| IpAddr::from([0x2001, 0xdb8, 0, 7, 0, 0, 0, last]);
    assert_eq!(neighbourhood(network(1)), neighbourhood(network(2)));
    assert_eq!(neighbourhood("::ffff:10.0.0.1".parse().unwrap()), address(1));
}
