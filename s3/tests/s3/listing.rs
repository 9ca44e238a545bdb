//! Listings, compared with a model.

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::EncodingType;
use futures_util::future::join_all;
use proptest::prelude::*;
use s3::BUCKET;

use crate::{Store, put};

#[derive(Debug, Clone)]
struct Query {
    prefix: String,
    delimiter: Option<String>,
    start_after: Option<String>,
    page: usize,
}

/// One page: keys and common prefixes.
type Page = (Vec<String>, Vec<String>);

/// The pages that S3 would return.
fn model(keys: &BTreeSet<String>, query: &Query) -> Vec<Page> {
    let after = query.start_after.as_deref().unwrap_or("");
    let mut items: Vec<(bool, &str)> = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(&query.prefix) && key.as_str() > after) {
        let rest = &key[query.prefix.len()..];
        let end = query.delimiter.as_ref().and_then(|text| Some(rest.find(text.as_str())? + text.len()));
        let item = end.map_or((false, key.as_str()), |end| (true, &key[..query.prefix.len() + end]));
        if items.last() != Some(&item) {
            items.push(item);
        }
    }
    let mut pages: Vec<Page> = items.chunks(query.page).map(split).collect();
    if pages.is_empty() {
        pages.push((vec![], vec![]));
    }
    pages
}

fn split(items: &[(bool, &str)]) -> Page {
    let of =
        |wanted| items.iter().filter(|(kind, _)| *kind == wanted).map(|(_, text)| text.to_string()).collect();
    (of(false), of(true))
}

/// The pages that the store returns.
async fn pages(client: &Client, query: &Query) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let list =
            client.list_objects_v2().bucket(BUCKET).prefix(&query.prefix).encoding_type(EncodingType::Url);
        let list = list.set_delimiter(query.delimiter.clone()).set_start_after(query.start_after.clone());
        let page = list.max_keys(query.page as i32).set_continuation_token(token).send().await.unwrap();
        let keys = page.contents().iter().map(|object| decode(object.key().unwrap())).collect::<Vec<_>>();
        let prefixes =
            page.common_prefixes().iter().map(|prefix| decode(prefix.prefix().unwrap())).collect::<Vec<_>>();
        assert_eq!(page.key_count, Some((keys.len() + prefixes.len()) as i32));
        pages.push((keys, prefixes));
        assert_eq!(page.is_truncated, Some(page.next_continuation_token.is_some()));
        token = page.next_continuation_token;
        if token.is_none() {
            return pages;
        }
    }
}

/// The pages of the first version of the listing, each continued as S3 says: at its next marker, or without one at
/// its last key.
async fn pages_v1(client: &Client, query: &Query) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut marker = None;
    loop {
        let list =
            client.list_objects().bucket(BUCKET).prefix(&query.prefix).encoding_type(EncodingType::Url);
        let list = list.set_delimiter(query.delimiter.clone()).max_keys(query.page as i32);
        let page = list.set_marker(marker).send().await.unwrap();
        let keys = page.contents().iter().map(|object| decode(object.key().unwrap())).collect::<Vec<_>>();
        let prefixes = page.common_prefixes().iter().map(|prefix| decode(prefix.prefix().unwrap())).collect();
        assert!(page.next_marker.is_none() || query.delimiter.is_some());
        marker = page.next_marker.as_deref().map(decode).or_else(|| keys.last().cloned());
        pages.push((keys, prefixes));
        if page.is_truncated != Some(true) {
            return pages;
        }
    }
}

fn decode(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ab/.-]{1,8}",
        2 => "[a%\u{1}\n é0/]{1,6}",
        1 => "(a{198,202}|b|/|\\.|-){1,4}",
        1 => "\\PC{1,20}",
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let prefix = prop_oneof![Just(String::new()), "[ab/.-]{1,3}", "a{200,201}", text()];
    let delimiter = prop_oneof![Just(None), Just(Some("/".to_owned())), "[a/-]{1,2}".prop_map(Some)];
    (prefix, delimiter, prop::option::of(text()), 1usize..7)
        .prop_map(|(prefix, delimiter, start_after, page)| Query { prefix, delimiter, start_after, page })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn listings_are_equal_to_those_of_the_model(
        // The SDK itself refuses blank keys.
        keys in prop::collection::btree_set(text().prop_filter("blank", |key| !key.trim().is_empty()), 1..30),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        queries in prop::collection::vec(query(), 12),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut keys = keys;
        runtime.block_on(async {
            let store = Store::new();
            join_all(keys.iter().map(|key| put(&store.client, key, "x"))).await;
            for round in 0..2 {
                for query in &queries {
                    assert_eq!(pages(&store.client, query).await, model(&keys, query), "{query:?} {keys:?}");
                    let whole = Query { start_after: None, ..query.clone() };
                    assert_eq!(pages_v1(&store.client, &whole).await, model(&keys, &whole), "{whole:?} {keys:?}");
                }
                if round == 0 {
                    // The cached folders must be invalidated.
                    for index in &removed {
                        let key = index.get(&keys.iter().cloned().collect::<Vec<_>>()).clone();
                        store.client.delete_object().bucket(BUCKET).key(&key).send().await.unwrap();
                        keys.remove(&key);
                        if keys.is_empty() { break }
                    }
                }
            }
        });
    }
}

#[tokio::test]
async fn a_long_listing_has_pages_of_a_thousand_keys() {
    let store = Store::new();
    let folder = store.root().join("runs/r");
    std::fs::create_dir_all(&folder).unwrap();
    let names: Vec<String> = (0..2500).map(|n| format!("{n:06}.jsonl")).collect();
    for name in &names {
        std::fs::write(folder.join(name), "x").unwrap();
    }
    let first = store.client.list_objects_v2().bucket(BUCKET).prefix("runs/").send().await.unwrap();
    assert_eq!((first.contents().len(), first.is_truncated), (1000, Some(true)));
    let all = store.client.list_objects_v2().bucket(BUCKET).prefix("runs/r/").into_paginator().send();
    let pages = all.try_collect().await.unwrap();
    assert_eq!(pages.len(), 3);
    let keys = pages.iter().flat_map(|page| page.contents()).map(|object| object.key().unwrap().to_owned());
    assert!(keys.eq(names.iter().map(|name| format!("runs/r/{name}"))));
    let none = store.client.list_objects_v2().bucket(BUCKET).max_keys(0).send().await.unwrap();
    assert_eq!((none.key_count, none.is_truncated), (Some(0), Some(false)));
}

#[tokio::test]
async fn a_new_object_is_listed_at_once() {
    let store = Store::new();
    for n in 0..60 {
        store.put(&format!("a/{n:03}.txt"), "x").await;
        let listed = store.client.list_objects_v2().bucket(BUCKET).prefix("a/").send().await.unwrap();
        assert_eq!(listed.contents().len(), n + 1);
    }
}
