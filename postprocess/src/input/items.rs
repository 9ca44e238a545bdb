//! The items of a lane.

use bytes::Bytes;

use super::Feed;
use super::lines::Lines;
use super::records::Source;

pub(super) fn feed(source: &Source) -> Feed<Bytes> {
    let source = source.clone();
    Feed::spawn(async move |sender| {
        let key = source.keys.items(&source.lane().name);
        let mut lines = Lines {
            objects: &source.objects,
            key: &key,
            from: source.lane().batches.get(source.from).map_or(0, |batch| batch.from),
            to: source.lane().bytes,
            size: source.budget.items,
        };
        while let Ok(room) = sender.reserve().await {
            let Some((_, bytes)) = lines.next().await? else { break };
            room.send(bytes);
        }
        Ok(())
    })
}
