//! A call detail record as a line of CSV (RFC 4180), for spreadsheets and loaders.

use super::CdrView;

/// The first line.
pub const CSV_HEADER: &str = "id,call,tenant,trunk_in,trunk_out,from,to,caller_call_id,\
                              callee_call_id,started_at,admitted_at,answered_at,ended_at,duration_ms,\
                              disposition,status,cause,hangup_by,owners,takeovers\n";

impl CdrView {
    /// The record without its line end; the columns are those of [`CSV_HEADER`], absent values are
    /// empty, owners are node numbers in order: `1>3`. A record is always one line: line ends within
    /// a value become spaces.
    #[must_use]
    pub fn csv(&self) -> String {
        let owners: Vec<_> = self.owners.iter().map(|owner| owner.node.to_string()).collect();
        let columns = [
            &self.id,
            &self.call,
            &self.tenant,
            &self.trunk_in,
            self.trunk_out.as_deref().unwrap_or_default(),
            &self.from,
            &self.to,
            &self.caller_call_id,
            &self.callee_call_id,
            &self.started_at,
            &self.admitted_at,
            self.answered_at.as_deref().unwrap_or_default(),
            &self.ended_at,
            &self.duration_ms.to_string(),
            &self.disposition,
            &self.status.to_string(),
            &self.cause,
            &self.hangup_by,
            &owners.join(">"),
            &self.takeovers.to_string(),
        ];
        columns.map(column).join(",")
    }
}

fn column(value: &str) -> String {
    let value = value.replace(['\r', '\n'], " ");
    // A spreadsheet takes what begins like this for a formula, and the caller chooses some of it.
    let value = match value.starts_with(['=', '+', '-', '@', '\t']) {
        true => format!("'{value}"),
        false => value,
    };
    if value.contains([',', '"']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::fake;

    #[test]
    fn a_record_is_one_line_with_the_columns_of_the_header() {
        let view = CdrView::from(&fake::cdr(1));
        assert_eq!(
            view.csv(),
            "4701.0,0001000000000000abc1,default,office,carrier-a,sip:alice@office.example,\
             sip:49691@127.0.0.11,call-1@office,hl…c,2026-11-23T00:01:00.000Z,\
             2026-11-23T00:01:00.002Z,,\
             2026-11-23T00:02:00.000Z,0,BUSY,486,Busy Here,callee,2>3>2,2"
        );
        assert_eq!(view.csv().split(',').count(), CSV_HEADER.split(',').count());
    }

    #[test]
    fn what_would_break_a_line_or_run_in_a_spreadsheet_is_tamed() {
        for (value, expected) in [
            ("Smith, \"Bob\"", "\"Smith, \"\"Bob\"\"\""),
            ("two\r\nlines", "two  lines"),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("plain", "plain"),
        ] {
            assert_eq!(column(value), expected);
        }
    }
}
