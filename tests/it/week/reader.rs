//! A reader of the feed who is cut again and again, and each time goes on at another replica from the last cursor he has.

use haier_integration::proto::{ProductChange, WatchProductChangesRequest};
use tokio::sync::watch;

use crate::support::{Client, Dice, within};

/// What he has read.
pub(super) struct Read {
    pub(super) seen: Vec<ProductChange>,
    pub(super) cuts: usize,
}

/// Reads from a cursor on, until he is told the last one and has come to it.
pub(super) async fn read(
    replicas: &[Client],
    mut cursor: String,
    mut last: watch::Receiver<Option<String>>,
) -> Read {
    let (mut dice, mut read) = (Dice::new(11), Read { seen: Vec::new(), cuts: 0 });
    loop {
        let mut client = replicas[read.cuts % replicas.len()].clone();
        let request = WatchProductChangesRequest { after: cursor.clone() };
        let mut stream = client.watch_product_changes(request).await.unwrap().into_inner();
        for _ in 0..dice.between(1, 3) {
            let message = tokio::select! {
                message = within(stream.message()) => message.unwrap().unwrap(),
                told = last.changed() => {
                    told.unwrap();
                    break;
                }
            };
            // Cut in the middle of a message too: the cursor of an entry is as good as a message's.
            let taken = dice.between(0, message.changes.len() as u64 + 1) as usize;
            let whole = taken == message.changes.len();
            read.seen.extend(message.changes.into_iter().take(taken));
            if whole {
                cursor = message.cursor;
            } else {
                if taken > 0 {
                    cursor.clone_from(&read.seen.last().unwrap().cursor);
                }
                break;
            }
        }
        if last.borrow().as_ref() == Some(&cursor) {
            return read;
        }
        read.cuts += 1;
    }
}
