//! Growth over the size of a region, both axes logarithmic, drawn as SVG.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

const SIZE: (u32, u32) = (760, 340);
const LEFT: u32 = 64;
const RIGHT: u32 = 230;
const TOP: u32 = 34;
const BOTTOM: u32 = 40;
const FONT: u32 = 14;

const GRID: RGBColor = RGBColor(215, 215, 215);
const TEXT: RGBColor = RGBColor(60, 60, 60);

/// Colours that people who do not see all colours tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(120, 120, 120),
    RGBColor(86, 180, 233),
];

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

type DrawResult = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// What a region took, out of the JSON of a report.
struct Taken {
    gateways: f64,
    /// Way of correction, and store.
    kind: [String; 2],
    /// Seconds of the cores in a round.
    cpu: f64,
    close: f64,
}

impl Taken {
    fn read(run: &Value) -> Self {
        let number = |key: &str| run[key].as_f64().expect(key);
        let text = |key: &str| run[key].as_str().expect(key).to_owned();
        let gateways = number("gateways");
        Self {
            gateways,
            kind: [text("correction"), text("store")],
            cpu: number("cpu_ns_per_gateway_and_round") * gateways / 1e9,
            close: number("close_median_us") / 1e6,
        }
    }
}

/// The runs of all `reports` in one picture for people: a summary of it stands beside it where it is
/// shown.
pub(crate) fn svg(reports: &[Value]) -> String {
    let runs = reports
        .iter()
        .flat_map(|report| report["service"].as_array().expect("a report of a region"));
    let runs: Vec<Taken> = runs.map(Taken::read).collect();
    let mut drawing = String::new();
    draw(&lines(&runs), &mut drawing).expect("a string takes everything");
    // On dark pages, too, the words are to be read.
    let end = drawing.find('>').expect("an svg element") + 1;
    drawing.insert_str(
        end,
        "\n<rect x=\"0\" y=\"0\" width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>",
    );
    drawing
}

/// Two for each way of correction and store: seconds of the cores, and what closing takes.
fn lines(runs: &[Taken]) -> Vec<Line> {
    let mut kinds: Vec<&[String; 2]> = Vec::new();
    for run in runs {
        if !kinds.contains(&&run.kind) {
            kinds.push(&run.kind);
        }
    }
    let mut lines = Vec::new();
    for kind in kinds {
        let line = |what: &str, value: fn(&Taken) -> f64| {
            let runs = runs.iter().filter(|run| run.kind == *kind);
            let mut points: Vec<(f64, f64)> = runs.map(|run| (run.gateways, value(run))).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Line {
                name: format!("{what}, {}", kind.join(", ")),
                points,
            }
        };
        lines.push(line("CPU", |run| run.cpu));
        lines.push(line("close", |run| run.close));
    }
    lines
}

fn draw(lines: &[Line], drawing: &mut String) -> DrawResult {
    let values = || lines.iter().flat_map(|line| &line.points);
    let decade = |value: f64| value.max(1e-3).log10();
    let most = |of: fn(&(f64, f64)) -> f64| values().map(of).fold(1e-3, f64::max);
    let fewest = |of: fn(&(f64, f64)) -> f64| values().map(of).fold(1e9, f64::min);
    let (from, to) = (
        decade(fewest(|p| p.0)).floor(),
        decade(most(|p| p.0)).ceil(),
    );
    let (low, high) = (
        decade(fewest(|p| p.1)).floor(),
        decade(most(|p| p.1)).ceil(),
    );
    let (to, high) = (to.max(from + 1.0), high.max(low + 1.0));
    let root = SVGBackend::with_string(drawing, SIZE).into_drawing_area();
    let plot = ChartBuilder::on(&root)
        .margin_top(TOP)
        .margin_right(RIGHT)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .set_label_area_size(LabelAreaPosition::Bottom, BOTTOM)
        .build_cartesian_2d(from..to, low..high)?;
    let at = |x: f64, y: f64| plot.backend_coord(&(x, y));
    let style = |horizontal, vertical| {
        TextStyle::from(("sans-serif", FONT).into_font())
            .color(&TEXT)
            .pos(Pos::new(horizontal, vertical))
    };
    let text = |words: String, place: (i32, i32), horizontal, vertical| {
        root.draw(&Text::new(words, place, style(horizontal, vertical)))
    };
    let ((left, bottom), (right, top)) = (at(from, low), at(to, high));
    let mut step = low;
    while step <= high {
        let y = at(from, step).1;
        root.draw(&PathElement::new([(left, y), (right, y)], GRID))?;
        text(power(step), (left - 8, y), HPos::Right, VPos::Center)?;
        step += 1.0;
    }
    let mut step = from;
    while step <= to {
        let x = at(step, low).0;
        root.draw(&PathElement::new([(x, bottom), (x, top)], GRID))?;
        text(power(step), (x, bottom + 6), HPos::Center, VPos::Top)?;
        step += 1.0;
    }
    let middle = i32::midpoint(left, right);
    text(
        "gateways".to_owned(),
        (middle, bottom + 22),
        HPos::Center,
        VPos::Top,
    )?;
    let title = "seconds for a round of all gateways".to_owned();
    text(title, (left, top - 10), HPos::Left, VPos::Bottom)?;
    for (number, (line, colour)) in lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let points = line.points.iter();
        let path: Vec<(i32, i32)> = points.map(|(x, y)| at(decade(*x), decade(*y))).collect();
        for place in &path {
            root.draw(&Circle::new(*place, 3, colour.filled()))?;
        }
        root.draw(&PathElement::new(path, colour.stroke_width(2)))?;
        let row = top + 8 + 20 * i32::try_from(number).unwrap_or_default();
        root.draw(&PathElement::new(
            [(right + 8, row), (right + 20, row)],
            colour.stroke_width(3),
        ))?;
        text(
            line.name.clone(),
            (right + 24, row),
            HPos::Left,
            VPos::Center,
        )?;
    }
    root.present()
}

/// A power of ten as people write it.
fn power(exponent: f64) -> String {
    let number = 10_f64.powf(exponent);
    if exponent < 0.0 {
        return format!("{number}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
