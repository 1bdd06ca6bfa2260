//! The page: charts and tables in one file that needs nothing else.

use super::super::figures::Times;
use super::super::load::Load;
use super::super::ramp::Ramp;
use super::super::run::Run;
use super::Report;
use super::chart::{self, Bar, Point, Row, Series, text};
use super::tables::Grid;

impl Report {
    /// The whole page.
    pub(crate) fn page(&self) -> String {
        let charts: Vec<String> = self
            .charts()
            .into_iter()
            .map(|(title, chart)| format!("<figure><h2>{}</h2>{chart}</figure>", text(title)))
            .collect();
        let facts: Vec<String> = self
            .circumstances()
            .iter()
            .map(|(what, is)| format!("<dt>{}</dt><dd>{}</dd>", text(what), text(is)))
            .collect();
        let tables: Vec<String> = self.grids().iter().map(table).collect();
        let item = |line: &String| format!("<li>{}</li>", text(line));
        let missing: Vec<String> = self.left_out.iter().map(item).collect();
        let broken: Vec<String> = self.broken.iter().map(item).collect();
        let broken = if broken.is_empty() {
            String::new()
        } else {
            format!("<h2>Broke off</h2><ul>{}</ul>", broken.concat())
        };
        format!(
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>\
             <meta name='viewport' content='width=device-width'>\
             <title>Holdline benchmark, {started}</title><style>{STYLE}</style></head><body>\
             <h1>Holdline benchmark, {started}</h1><dl>{facts}</dl>\
             <div class='charts'>{charts}</div>{tables}{broken}\
             <h2>Not measured</h2><ul>{missing}</ul></body></html>\n",
            started = text(&self.machine.started),
            facts = facts.concat(),
            charts = charts.concat(),
            tables = tables.concat(),
            missing = missing.concat(),
        )
    }

    fn charts(&self) -> Vec<(&'static str, String)> {
        let mut charts = Vec::new();
        if !self.load.is_empty() {
            let bars: Vec<Bar> = self.load.iter().map(bar).collect();
            let chart = chart::bars("CPU seconds per 1,000 calls", &["user", "system"], &bars);
            charts.push((
                "Cost of a call at the base rate; the line is the spread of the runs",
                chart,
            ));
            let invite = latency(&self.load, |load| load.invite);
            charts.push(("INVITE→200", chart::marks("ms", &invite)));
            let bye = latency(&self.load, |load| load.bye);
            charts.push(("BYE→200", chart::marks("ms", &bye)));
        }
        if !self.ramp.is_empty() {
            let cpu = by_rate(&self.ramp, |run| Some(run.cpu_s));
            let chart = chart::lines("calls/s", "CPU s per 1,000 calls", &cpu, false);
            charts.push(("Cost of a call by rate; hollow: not held", chart));
            let p99 = by_rate(&self.ramp, |run| run.invite.map(|times| times.p99_ms));
            let chart = chart::lines("calls/s", "INVITE→200 p99, ms", &p99, true);
            charts.push(("Latency by rate; hollow: not held", chart));
            let highest = |ramp: &Ramp| Bar {
                name: ramp.system.name().to_owned(),
                parts: vec![f64::from(ramp.highest.unwrap_or(0))],
                spread: None,
            };
            let bars: Vec<Bar> = self.ramp.iter().map(highest).collect();
            let chart = chart::bars("calls/s", &["highest rate without failures"], &bars);
            charts.push(("How far each system came", chart));
        }
        if !self.up.is_empty() {
            let line = |name: &str, number: fn(&super::Up) -> f64| Series {
                name: name.to_owned(),
                points: self.up.iter().map(|up| solid(up.calls.into(), number(up))).collect(),
            };
            let memory = [line("owner", |up| up.owner_mib), line("replica", |up| up.replica_mib)];
            charts.push(("Memory by calls up", chart::lines("calls up", "MiB", &memory, false)));
        }
        if !self.pops.is_empty() {
            let line = |name: &str, number: fn(&super::Pops) -> Option<f64>| {
                let point = |pop: &super::Pops| Some(solid(pop.measured_ms, number(pop)?));
                Series {
                    name: name.to_owned(),
                    points: self.pops.iter().filter_map(point).collect(),
                }
            };
            let trips = [
                line("leader, INVITE→180", |pop| pop.leader_ring_round_trips),
                line("leader, INVITE→200", |pop| pop.leader_answer_round_trips),
                line("follower, INVITE→180", |pop| pop.ring_round_trips),
                line("follower, INVITE→200", |pop| pop.answer_round_trips),
            ];
            let chart = chart::lines("round trip, ms", "round trips", &trips, false);
            charts.push(("Delay between sites, in round trips", chart));
        }
        charts
    }
}

fn bar(load: &Load) -> Bar {
    Bar {
        name: load.system.name().to_owned(),
        parts: vec![load.cpu_user_s.median, load.cpu_system_s.median],
        spread: Some((load.cpu_s.least, load.cpu_s.most)),
    }
}

fn latency(loads: &[Load], times: impl Fn(&Load) -> Option<Times>) -> Vec<Row> {
    let row = |load: &Load| {
        let times = times(load)?;
        let marks = vec![
            ("p50", times.p50_ms),
            ("p95", times.p95_ms),
            ("p99", times.p99_ms),
            ("max", times.max_ms),
        ];
        Some(Row { name: load.system.name().to_owned(), marks })
    };
    loads.iter().filter_map(row).collect()
}

fn by_rate(ramps: &[Ramp], number: impl Fn(&Run) -> Option<f64>) -> Vec<Series> {
    let point =
        |run: &Run| Some(Point { x: run.rate.into(), y: number(run)?, hollow: !run.held() });
    let series = |ramp: &Ramp| Series {
        name: ramp.system.name().to_owned(),
        points: ramp.runs.iter().filter_map(point).collect(),
    };
    ramps.iter().map(series).collect()
}

const fn solid(x: f64, y: f64) -> Point {
    Point { x, y, hollow: false }
}

fn table(grid: &Grid) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.map(|cell| format!("<{tag}>{cell}</{tag}>")).collect();
        format!("<tr>{}</tr>", cells.concat())
    };
    let head = cells("th", &mut grid.head.iter().map(|name| text(name)));
    let rows: Vec<String> =
        grid.rows.iter().map(|row| cells("td", &mut row.iter().map(|cell| text(cell)))).collect();
    let notes: Vec<String> =
        grid.notes.iter().map(|note| format!("<p>{}</p>", text(note))).collect();
    format!(
        "<h2>{}</h2><div class='wide'><table>{head}{}</table></div>{}",
        text(&grid.title),
        rows.concat(),
        notes.concat()
    )
}

const STYLE: &str = "\
:root{--paper:#fff;--ink:#222;--faint:#ddd;--soft:#666;color-scheme:light}\
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1500px;margin:2em auto;padding:0 1.5em}\
h1{font-size:1.5em}h2{font-size:1.05em;margin:1.6em 0 .4em}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1.2em;margin:0}dt{color:var(--soft)}dd{margin:0}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(560px,1fr));gap:0 2em}figure{margin:0}\
svg{width:100%;height:auto;display:block}svg text{font-size:12px;fill:var(--ink)}.mid{text-anchor:middle}.end{text-anchor:end}\
.grid{stroke:var(--faint)}.ink{stroke:var(--ink);stroke-width:2}\
.legend{margin:.2em 0 0}.legend span{margin-right:1.2em;white-space:nowrap}\
.legend i{display:inline-block;width:.8em;height:.8em;border-radius:50%;margin-right:.4em}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:.25em .7em;border-bottom:1px solid var(--faint);text-align:right;white-space:nowrap}th{color:var(--soft);font-weight:600;white-space:normal;vertical-align:bottom}\
th:first-child,td:first-child{text-align:left}p{margin:.3em 0;color:var(--soft);max-width:110ch}";
