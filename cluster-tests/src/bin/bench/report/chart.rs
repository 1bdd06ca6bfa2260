//! Charts as SVG, written by hand: three kinds are all that is needed.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 52.0;
/// Colours that the colour-blind can tell apart (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#56b4e9", "#009e73", "#d55e00", "#cc79a7", "#e69f00"];
/// Lines of the grid, about.
const STEPS: f64 = 5.0;

/// A line of points.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<Point>,
}

/// A point; a hollow one did not hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) hollow: bool,
}

/// A bar of parts, with the spread of its whole length.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) parts: Vec<f64>,
    pub(super) spread: Option<(f64, f64)>,
}

/// Marks on one row: percentiles, say.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) marks: Vec<(&'static str, f64)>,
}

/// Lines over a linear x axis; `log`: the y axis is logarithmic.
pub(super) fn lines(x_name: &str, y_name: &str, series: &[Series], log: bool) -> String {
    let all = || series.iter().flat_map(|series| &series.points);
    let x = Axis::linear(all().map(|p| p.x), LEFT, WIDTH - RIGHT);
    let values = all().map(|p| p.y);
    let (low, high) = (HEIGHT - BOTTOM, TOP);
    let y = if log { Axis::log(values, low, high) } else { Axis::linear(values, low, high) };
    let mut svg = frame(x_name, y_name);
    grid(&mut svg, &x, &y);
    for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let at = |p: &Point| format!("{:.1},{:.1}", x.at(p.x), y.at(p.y));
        let path: Vec<String> = series.points.iter().map(at).collect();
        let path = path.join(" ");
        put(
            &mut svg,
            &format!("<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>"),
        );
        for p in &series.points {
            let fill = if p.hollow { "var(--paper)" } else { colour };
            let (cx, cy) = (x.at(p.x), y.at(p.y));
            put(
                &mut svg,
                &format!(
                    "<circle cx='{cx:.1}' cy='{cy:.1}' r='4' fill='{fill}' stroke='{colour}' \
                     stroke-width='2'><title>{}: {}, {}</title></circle>",
                    text(&series.name),
                    short(p.x),
                    short(p.y)
                ),
            );
        }
    }
    legend(svg + "</svg>", series.iter().map(|s| s.name.as_str()))
}

/// Horizontal bars; `parts` names what they are made of.
pub(super) fn bars(x_name: &str, parts: &[&str], bars: &[Bar]) -> String {
    let ends = bars.iter().map(|bar| {
        let sum = bar.parts.iter().sum::<f64>();
        bar.spread.map_or(sum, |(_, most)| most.max(sum))
    });
    let x = Axis::linear(ends, ROWS_LEFT, WIDTH - ROWS_RIGHT);
    let mut svg = rows_frame(x_name, &x, bars.iter().map(|bar| bar.name.as_str()));
    for (bar, row) in bars.iter().zip(rows()) {
        let mut from = 0.0;
        for (part, colour) in bar.parts.iter().zip(COLOURS) {
            let (x0, x1) = (x.at(from), x.at(from + part));
            let (y, width) = (row + 8.0, x1 - x0);
            put(
                &mut svg,
                &format!(
                    "<rect x='{x0:.1}' y='{y:.1}' width='{width:.1}' height='20' fill='{colour}'/>"
                ),
            );
            from += part;
        }
        if let Some((least, most)) = bar.spread {
            let (x0, x1, y) = (x.at(least), x.at(most), row + 18.0);
            put(
                &mut svg,
                &format!("<line class='ink' x1='{x0:.1}' x2='{x1:.1}' y1='{y:.1}' y2='{y:.1}'/>"),
            );
        }
        let (at, y) = (x.at(from.max(bar.spread.map_or(0.0, |s| s.1))) + 6.0, row + 22.0);
        put(&mut svg, &format!("<text x='{at:.1}' y='{y:.1}'>{}</text>", short(from)));
    }
    legend(svg + "</svg>", parts.iter().copied())
}

/// Marks on a logarithmic axis, a row for each system.
pub(super) fn marks(x_name: &str, rows_of: &[Row]) -> String {
    let all = rows_of.iter().flat_map(|row| row.marks.iter().map(|(_, value)| *value));
    let x = Axis::log(all, ROWS_LEFT, WIDTH - ROWS_RIGHT);
    let mut svg = rows_frame(x_name, &x, rows_of.iter().map(|row| row.name.as_str()));
    for (one, row) in rows_of.iter().zip(rows()) {
        let y = row + 20.0;
        let ends = one.marks.first().zip(one.marks.last());
        if let Some(((_, first), (_, last))) = ends {
            let (x0, x1) = (x.at(*first), x.at(*last));
            put(
                &mut svg,
                &format!("<line class='grid' x1='{x0:.1}' x2='{x1:.1}' y1='{y:.1}' y2='{y:.1}'/>"),
            );
        }
        for ((name, value), colour) in one.marks.iter().zip(COLOURS) {
            let cx = x.at(*value);
            put(
                &mut svg,
                &format!(
                    "<circle cx='{cx:.1}' cy='{y:.1}' r='5' fill='{colour}'><title>{name}: {}</title>\
                     </circle>",
                    short(*value)
                ),
            );
            if *name == "p50" || *name == "p99" {
                let above = y - 9.0;
                put(
                    &mut svg,
                    &format!(
                        "<text class='mid' x='{cx:.1}' y='{above:.1}'>{}</text>",
                        short(*value)
                    ),
                );
            }
        }
    }
    let names = rows_of.first().map_or(&[][..], |row| row.marks.as_slice());
    legend(svg + "</svg>", names.iter().map(|(name, _)| *name))
}

/// From values to places.
#[derive(Clone, Debug)]
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Axis {
    fn linear(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let most = values.filter(|v| v.is_finite()).fold(0.0, f64::max).max(1e-3);
        let step = step(most);
        Self { low: 0.0, high: (most / step).ceil() * step, from, to, log: false }
    }

    fn log(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let logs: Vec<f64> = values.filter(|v| *v > 0.0).map(f64::log10).collect();
        let low = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low.is_finite() { (low.floor(), high.ceil()) } else { (0.0, 1.0) };
        Self { low, high: high.max(low + 1.0), from, to, log: true }
    }

    fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.max(1e-6).log10() } else { value };
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<f64> {
        let step = if self.log { 1.0 } else { step(self.high) };
        let next = |tick: &f64| Some(tick + step);
        let ticks = std::iter::successors(Some(self.low), next);
        let ticks = ticks.take_while(|tick| *tick <= self.high + step * 1e-6);
        ticks.map(|tick| if self.log { 10_f64.powf(tick) } else { tick }).collect()
    }
}

/// A step of 1, 2 or 5 times a power of ten.
fn step(most: f64) -> f64 {
    let rough = most / STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough);
    step.unwrap_or(10.0) * power
}

const ROWS_LEFT: f64 = 250.0;
/// Room for the number behind a bar.
const ROWS_RIGHT: f64 = 48.0;
const ROW: f64 = 40.0;

fn rows() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(TOP), |row| Some(row + ROW))
}

fn frame(x_name: &str, y_name: &str) -> String {
    let (x, y, middle) = ((WIDTH + LEFT) / 2.0, HEIGHT - 10.0, (HEIGHT - BOTTOM) / 2.0);
    format!(
        "<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img'>\
         <text class='mid' x='{x}' y='{y}'>{}</text>\
         <text class='mid' transform='translate(14 {middle}) rotate(-90)'>{}</text>",
        text(x_name),
        text(y_name)
    )
}

fn grid(svg: &mut String, x: &Axis, y: &Axis) {
    for tick in y.ticks() {
        let (at, end, beside) = (y.at(tick), WIDTH - RIGHT, LEFT - 6.0);
        put(svg, &format!("<line class='grid' x1='{LEFT}' x2='{end}' y1='{at:.1}' y2='{at:.1}'/>"));
        let below = at + 4.0;
        put(svg, &format!("<text class='end' x='{beside}' y='{below:.1}'>{}</text>", short(tick)));
    }
    for tick in x.ticks() {
        let (at, below) = (x.at(tick), HEIGHT - BOTTOM + 18.0);
        put(svg, &format!("<text class='mid' x='{at:.1}' y='{below}'>{}</text>", short(tick)));
    }
}

fn rows_frame<'a>(x_name: &str, x: &Axis, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let foot = rows().nth(names.len()).unwrap_or(TOP);
    let (height, low) = (foot + BOTTOM, foot + 38.0);
    let middle = f64::midpoint(ROWS_LEFT, WIDTH);
    let mut svg = format!(
        "<svg viewBox='0 0 {WIDTH} {height}' role='img'>\
         <text class='mid' x='{middle}' y='{low}'>{}</text>",
        text(x_name)
    );
    for tick in x.ticks() {
        let (at, below) = (x.at(tick), foot + 18.0);
        put(
            &mut svg,
            &format!("<line class='grid' x1='{at:.1}' x2='{at:.1}' y1='{TOP}' y2='{foot}'/>"),
        );
        put(&mut svg, &format!("<text class='mid' x='{at:.1}' y='{below}'>{}</text>", short(tick)));
    }
    for (name, row) in names.iter().zip(rows()) {
        let (at, y) = (ROWS_LEFT - 8.0, row + 22.0);
        put(&mut svg, &format!("<text class='end' x='{at}' y='{y}'>{}</text>", text(name)));
    }
    svg
}

fn legend<'a>(svg: String, names: impl Iterator<Item = &'a str>) -> String {
    let mut html = svg + "<p class='legend'>";
    for (name, colour) in names.zip(COLOURS.iter().cycle()) {
        put(&mut html, &format!("<span><i style='background:{colour}'></i>{}</span>", text(name)));
    }
    html + "</p>"
}

/// A number as short as can be.
fn short(number: f64) -> String {
    let digits = match number.abs() {
        n if n >= 100.0 => 0,
        n if n >= 10.0 => 1,
        _ => 3,
    };
    let text = format!("{number:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Text within HTML.
pub(super) fn text(plain: &str) -> String {
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;")
}

fn put(svg: &mut String, element: &str) {
    // Writing to a string cannot fail.
    let _infallible = svg.write_str(element);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_numbers() {
        assert_eq!(step(10.0), 2.0);
        assert_eq!(step(3000.0), 1000.0);
        let axis = Axis::linear([0.7, 2.3].into_iter(), 0.0, 100.0);
        assert_eq!((axis.high, axis.at(1.25)), (2.5, 50.0));
    }

    #[test]
    fn a_logarithmic_axis_spans_whole_decades() {
        let axis = Axis::log([0.4, 30.0].into_iter(), 0.0, 300.0);
        assert_eq!(axis.ticks().len(), 4);
        assert!((axis.at(1.0) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn names_cannot_break_out_of_the_page() {
        assert_eq!(text("a<b>&'"), "a&lt;b&gt;&amp;&#39;");
    }
}
