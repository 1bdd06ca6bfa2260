//! Times and durations for people.

/// A time of the API, to the second: `2026-11-23 00:00:00`.
pub(super) fn time(text: &str) -> String {
    let seconds = text.get(..19).unwrap_or(text);
    seconds.replace('T', " ")
}

/// The same without the date.
pub(super) fn clock(text: &str) -> String {
    text.get(11..19).unwrap_or(text).to_owned()
}

/// A duration: `850ms`, `7.5s`, `1m05s`, `2h03m`.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}.{}s", ms % 1000 / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A long time, in its largest whole unit: `90 d`, `36 h`, `30 min`, `61 s`.
pub(super) fn long(seconds: u64) -> String {
    match seconds {
        _ if seconds.is_multiple_of(86_400) => format!("{} d", seconds / 86_400),
        _ if seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

/// The part of a SIP URI that people look for: the user, or else the host.
pub(super) fn user(uri: &str) -> String {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let user = rest.split(['@', ';', '?']).next().unwrap_or(rest);
    user.to_owned()
}

/// A text, or a dash.
pub(super) fn dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (ms, text) in
            [(0, "0ms"), (850, "850ms"), (7_540, "7.5s"), (65_000, "1m05s"), (7_380_000, "2h03m")]
        {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn long_times_are_whole() {
        for (seconds, text) in
            [(7_776_000, "90 d"), (129_600, "36 h"), (1_800, "30 min"), (61, "61 s")]
        {
            assert_eq!(long(seconds), text);
        }
    }

    #[test]
    fn users_of_uris() {
        for (uri, name) in
            [("sip:+4969@h:5060", "+4969"), ("tel:+4969;x=y", "+4969"), ("sip:h", "h")]
        {
            assert_eq!(user(uri), name);
        }
    }
}
