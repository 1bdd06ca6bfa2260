//! How the fake cluster keeps its call detail records.

use async_trait::async_trait;
use holdline_model::{CdrId, CdrKeeping, CdrSink, Millis, Name, Rejection};

use super::{Fake, LOG_INDEX, START};
use crate::admin::seam::{BackupApi, BackupStream, CdrApi, ClusterApiError, ConsistencyApi};

#[async_trait]
impl CdrApi for Fake {
    async fn cdr_keeping(&self) -> Result<CdrKeeping, ClusterApiError> {
        Ok(self.keeping.lock().unwrap().clone())
    }

    async fn retain_cdrs(
        &self,
        expected: Option<u64>,
        keep_ms: u64,
    ) -> Result<u64, ClusterApiError> {
        self.majority()?;
        let mut keeping = self.keeping.lock().unwrap();
        let current = keeping.version;
        if let Some(expected) = expected.filter(|expected| *expected != current) {
            return Err(ClusterApiError::Refused(Rejection::CdrRetention { expected, current }));
        }
        (keeping.version, keeping.keep_ms) = (current + 1, keep_ms);
        Ok(LOG_INDEX)
    }

    async fn set_cdr_cursor(
        &self,
        sink: Name,
        cursor: Option<CdrId>,
    ) -> Result<u64, ClusterApiError> {
        self.majority()?;
        let mut keeping = self.keeping.lock().unwrap();
        if let (Some(known), Some(named)) = (keeping.sink(&sink), cursor)
            && named < known.cursor
        {
            let committed = known.cursor;
            let rejection = Rejection::CursorGoesBack { sink, committed, named };
            return Err(ClusterApiError::Refused(rejection));
        }
        keeping.sinks.retain(|known| known.name != sink);
        if let Some(cursor) = cursor {
            keeping.sinks.push(CdrSink { name: sink, cursor, at: START });
        }
        Ok(LOG_INDEX)
    }

    async fn purge_cdrs(&self, before: Millis, forced: bool) -> Result<u64, ClusterApiError> {
        self.majority()?;
        let held = self.keeping.lock().unwrap().slowest().map(|sink| sink.cursor);
        let old = self.cdrs.values().filter(|cdr| {
            cdr.ended_at < before && (forced || held.is_none_or(|held| cdr.id <= held))
        });
        Ok(old.count() as u64)
    }
}

#[async_trait]
impl BackupApi for Fake {
    async fn back_up(&self) -> Result<BackupStream, ClusterApiError> {
        self.majority()?;
        let backup = self.backup.lock().unwrap();
        let (send, chunks) = tokio::sync::mpsc::channel(backup.len() / CHUNK + 1);
        for chunk in backup.chunks(CHUNK) {
            // A stream that nobody reads to its end is cut off there.
            let _ = send.try_send(Ok(axum::body::Bytes::copy_from_slice(chunk)));
        }
        Ok(chunks)
    }
}

/// Bytes of a piece of a backup: few, so that pieces end within frames.
const CHUNK: usize = 1_000;

#[async_trait]
impl ConsistencyApi for Fake {
    async fn linearize(&self) -> Result<(), ClusterApiError> {
        self.majority().map_err(|error| ClusterApiError::NotCurrent(Box::new(error)))
    }

    fn state_age_ms(&self) -> Option<u64> {
        Some(1_500)
    }
}
