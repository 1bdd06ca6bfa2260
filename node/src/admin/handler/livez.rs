//! `GET /livez`: the process answers. A failure means: restart it.

/// Says yes; a process that cannot says nothing.
pub(in crate::admin) async fn handle() -> &'static str {
    "alive\n"
}
