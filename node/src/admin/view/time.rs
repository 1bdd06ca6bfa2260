//! Times outside: RFC 3339 in UTC with milliseconds.

use holdline_model::Millis;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The text form; what lies beyond the year 9999 is shown as its last millisecond.
#[must_use]
pub fn format(at: Millis) -> String {
    let nanos = i128::from(at.0).saturating_mul(1_000_000);
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .unwrap_or(time::PrimitiveDateTime::MAX.assume_utc());
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.millisecond()
    )
}

/// Reads RFC 3339 with any offset, or milliseconds since 1970. `None` for anything else, and for
/// times before 1970.
#[must_use]
pub fn parse(text: &str) -> Option<Millis> {
    if let Ok(ms) = text.parse() {
        return Some(Millis(ms));
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok().map(Millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_number_are_the_same_time() {
        let at = Millis(1_795_392_000_123);
        assert_eq!(format(at), "2026-11-23T00:00:00.123Z");
        for text in ["2026-11-23T00:00:00.123Z", "2026-11-23T01:00:00.123+01:00", "1795392000123"] {
            assert_eq!(parse(text), Some(at), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in
            ["", "yesterday", "2026-11-23", "1969-12-31T23:59:59Z", "-5", "2026-13-01T00:00:00Z"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_end_of_time_is_shown() {
        assert_eq!(format(Millis(u64::MAX)), "9999-12-31T23:59:59.999Z");
    }
}
