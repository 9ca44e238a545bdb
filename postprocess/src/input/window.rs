//! Records of a batch that is too large for memory, fetched in line order by their positions.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use job::{Objects, StorageError};

use super::index::Position;
use super::records::Place;

/// Bytes between two wanted records that are fetched with them rather than asked around.
const GAP: u64 = 16 << 10;

/// How many of the positions, from the first, are fetched together: as many as fit into `bytes`, and at least one.
pub(super) fn length(positions: &[Position], bytes: u64) -> usize {
    let mut sum = 0;
    let fits = positions.iter().take_while(|position| {
        sum += u64::from(position.len);
        sum <= bytes
    });
    fits.count().max(1).min(positions.len())
}

/// Fetches records, with few requests for neighbours, and tells where each of them now lies.
pub(super) async fn fetch(
    objects: &Objects,
    keys: &[String],
    positions: &[Position],
    fetches: usize,
) -> Result<(Vec<Bytes>, Vec<Place>), StorageError> {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_unstable_by_key(|index| (positions[*index].object, positions[*index].offset));
    let mut ranges: Vec<(u32, u64, u64)> = Vec::new();
    let mut places = vec![Place { body: 0, start: 0, end: 0, object: 0 }; positions.len()];
    for index in order {
        let Position { object, offset, len, .. } = positions[index];
        let end = offset + u64::from(len);
        match ranges.last_mut() {
            Some((last, from, to))
                if *last == object && offset <= *to + GAP && end - *from <= u64::from(u32::MAX) =>
            {
                *to = end
            }
            _ => ranges.push((object, offset, end)),
        }
        let (body, from) = (ranges.len() - 1, ranges[ranges.len() - 1].1);
        let within = |at: u64| u32::try_from(at - from).expect("a range is shorter than 4 GiB");
        places[index] = Place {
            body: u32::try_from(body).expect("few ranges"),
            start: within(offset),
            end: within(end),
            object,
        };
    }
    let bodies = stream::iter(ranges)
        .map(|(object, from, to)| objects.get_range(&keys[object as usize], from, to))
        .buffered(fetches);
    Ok((bodies.try_collect().await?, places))
}
