//! A consumer of call detail records: it remembers its cursor, and asks another node each time.

use std::time::Duration;

use holdline_cluster_tests::cluster::Admin;
use serde_json::Value;

use crate::fact::CdrPage;
use crate::history::Recorder;

/// Pause between two pages.
const PAUSE: Duration = Duration::from_millis(400);
/// Records on a page.
const PAGE: usize = 50;

/// Asks for new records until it is told that there are no more to come, and then until it has got
/// all of them.
pub async fn consume(
    admins: Vec<(u64, Admin)>,
    recorder: Recorder,
    last: tokio::sync::watch::Receiver<bool>,
) {
    let mut cursor: Option<String> = None;
    let mut empty_since_last = 0;
    for (node, admin) in admins.iter().cycle() {
        let no_more = *last.borrow();
        let after = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        if let Ok(page) = admin.document(&format!("/v1/cdrs?limit={PAGE}{after}")).await {
            let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            let id = |item: &Value| Some(item.get("id")?.as_str()?.to_owned());
            let ids: Vec<String> = items.iter().filter_map(id).collect();
            empty_since_last = if no_more && ids.is_empty() { empty_since_last + 1 } else { 0 };
            if let Some(newest) = ids.last() {
                let page = CdrPage { node: *node, after: cursor.take(), ids: ids.clone() };
                recorder.fact("consumer", "cdr-page", &page);
                cursor = Some(newest.clone());
                continue;
            }
        }
        // Every node has said that there is nothing more.
        if empty_since_last >= admins.len() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
